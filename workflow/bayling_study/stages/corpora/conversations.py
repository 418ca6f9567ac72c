"""From upstream dialogues to ``conversations.parquet``: drop what is unusable or repeated."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import CorporaSection
from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.shared.corpus_tables import CONVERSATION_SCHEMA, CONVERSATIONS_FILE
from bayling_study.stages.corpora.hearing import Hearing
from bayling_study.stages.corpora.misread import is_misread
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.corpora.tables import TableRow, distinct, write_tables
from bayling_study.stages.corpora.tally import CorpusTally


def build(section: CorporaSection, downloads: Mapping[str, Path], out: Path) -> dict[str, Any]:
    """Writes ``conversations.parquet``; returns its report (``StudyError`` if a file is broken)."""
    tally, hearing = CorpusTally(), Hearing(section.cleaning.max_foreign_share)
    repaired: Counter[str] = Counter()
    groups: list[str] = []  # of the usable conversations

    def usable() -> Iterator[tuple[TableRow, tuple[str, ...]]]:
        for number, corpus in enumerate(section.conversations, start=1):
            group = f"{corpus.source}/{corpus.path}"
            read = reader_named(corpus.reader)(downloads[corpus.source], corpus)
            what = f"{group} ({number} of {len(section.conversations)})"
            rows, before = 0, len(groups)
            for draft in tally.fitting(Progress(what, over=read), group):
                rows += 1
                tally.read(group)
                repaired.update(draft.changes)
                messages = draft.conversation.messages
                if any(is_misread(message.content, corpus.language) for message in messages):
                    tally.reject(group, "misread encoding", draft.conversation.id)
                elif messages:
                    groups.append(group)
                    hearing.hear(group, corpus.language, messages[-1].content)
                    turns = [message._asdict() for message in messages]
                    row = vars(draft.conversation) | {"messages": turns}
                    yield tuple(row.values()), tuple(chain.from_iterable(messages))
                else:
                    tally.reject(group, "no complete exchange", draft.conversation.id)
            if len(groups) == before:
                raise StudyError(f"none of {rows} rows is a complete exchange", where=group)

    def repeated(number: int, row: dict[str, Any]) -> None:
        tally.reject(groups[number], "duplicate", row["id"])

    kept = distinct(usable(), CONVERSATION_SCHEMA, out / ".conversations", repeated)
    write_tables(out / CONVERSATIONS_FILE, CONVERSATION_SCHEMA, kept)
    heard = hearing.report()
    return {**tally.report(), "languages": heard, "repaired": dict(sorted(repaired.items()))}
