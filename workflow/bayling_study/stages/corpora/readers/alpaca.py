"""Reads instructions in Alpaca's form: items of ``instruction``, ``input``, ``output``.

Alpaca and its Chinese translations are a JSON array, BELLE's collections JSON lines in a file
called ``.json``, the hub's copies Parquet with further columns.

About 60 % of Alpaca's rows have an empty ``input``, some the words "<noinput>" of the self-instruct
generator; where there is an input, it follows the instruction on a line of its own. LLaMA-Factory's
form may add a ``system`` text and a ``history`` of earlier pairs of instruction and answer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import ConversationCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import Message
from bayling_study.stages.corpora.readers.exchanges import Draft, drafts, framed
from bayling_study.stages.corpora.readers.jsonitems import object_of, optional_text, text_of
from bayling_study.stages.corpora.readers.odd import OddRow

NO_INPUT = frozenset({"", "<noinput>", "noinput", "<no input>", "no input", "无输入", "<无输入>"})


def read(download: Path, corpus: ConversationCorpus) -> Iterator[Draft | OddRow]:
    """Yields one conversation for each row, of a single turn unless it has a history. A row that
    lacks instruction or output, or in which a field is not text, is odd."""
    return drafts(download, corpus, _turns)


def _turns(item: Any, where: str) -> list[Message]:
    row = object_of(item, where)
    instruction = text_of(row, "instruction", where).strip()
    given = optional_text(row, "input", where).strip()
    answer = text_of(row, "output", where).strip()
    if instruction and given.lower() not in NO_INPUT:
        instruction = f"{instruction}\n{given}"
    last = Message("user", instruction), Message("assistant", answer)
    return framed(row, [*_history(row, where), *last], where)


def _history(row: dict[str, Any], where: str) -> Iterator[Message]:
    history = row.get("history") or []
    for pair in history if isinstance(history, list) else [history]:
        texts = pair if isinstance(pair, list) else []
        if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
            raise StudyError("'history' is not a list of pairs of texts", where=where)
        yield Message("user", texts[0].strip())
        yield Message("assistant", texts[1].strip())
