"""From upstream dialogues to ``conversations.parquet``: drop what is unusable or repeated."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import CorporaSection
from bayling_study.core.errors import StudyError
from bayling_study.core.progress import Progress
from bayling_study.shared.corpus_tables import CONVERSATION_SCHEMA, CONVERSATIONS_FILE
from bayling_study.stages.corpora.hearing import Hearing
from bayling_study.stages.corpora.misread import is_misread
from bayling_study.stages.corpora.readers import CONVERSATIONS
from bayling_study.stages.corpora.tables import TableRow, distinct, write_rows
from bayling_study.stages.corpora.tally import CorpusTally


def build(section: CorporaSection, downloads: Mapping[str, Path], out: Path) -> dict[str, Any]:
    """Writes ``conversations.parquet``; returns its report (``StudyError`` if a file is broken)."""
    reading = _Reading(section, downloads)
    scratch = out / ".conversations"
    rows = distinct(reading.rows(), CONVERSATION_SCHEMA, scratch, reading.repeated)
    write_rows(out / CONVERSATIONS_FILE, CONVERSATION_SCHEMA, rows)
    repaired = dict(sorted(reading.repaired.items()))
    heard = reading.hearing.report()
    return {**reading.tally.report(), "languages": heard, "repaired": repaired}


class _Reading:
    """Reads all files in the config's order and counts what becomes of their rows."""

    def __init__(self, section: CorporaSection, downloads: Mapping[str, Path]) -> None:
        self._section, self._downloads = section, downloads
        self.tally = CorpusTally()
        self.hearing = Hearing(section.cleaning.max_foreign_share)
        self.repaired: Counter[str] = Counter()
        self._groups: list[str] = []  # of the usable conversations

    def rows(self) -> Iterator[tuple[TableRow, tuple[str, ...]]]:
        """Yields the usable conversations, each with the texts that make two the same."""
        for number, corpus in enumerate(self._section.conversations, start=1):
            group = f"{corpus.source}/{corpus.path}"
            read = CONVERSATIONS[corpus.reader](self._downloads[corpus.source], corpus)
            what = f"{group} ({number} of {len(self._section.conversations)})"
            rows, before = 0, len(self._groups)
            for draft in self.tally.fitting(Progress(what, over=read), group):
                rows += 1
                self.tally.read(group)
                self.repaired.update(draft.changes)
                messages = draft.conversation.messages
                if any(is_misread(message.content, corpus.language) for message in messages):
                    self.tally.reject(group, "misread encoding", draft.conversation.id)
                elif messages:
                    self._groups.append(group)
                    self.hearing.hear(group, corpus.language, messages[-1].content)
                    turns = [message._asdict() for message in messages]
                    row = {**vars(draft.conversation), "messages": turns}
                    yield row, tuple(part for message in messages for part in message)
                else:
                    self.tally.reject(group, "no complete exchange", draft.conversation.id)
            if len(self._groups) == before:
                raise StudyError(f"none of {rows} rows is a complete exchange", where=group)

    def repeated(self, number: int, row: TableRow) -> None:
        """Counts a usable conversation that is left out."""
        self.tally.reject(self._groups[number], "duplicate", row["id"])
