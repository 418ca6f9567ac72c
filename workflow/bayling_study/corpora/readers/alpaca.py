"""Reads Alpaca's instructions: a JSON array of ``instruction``, ``input``, ``output``.

About 60 % of Alpaca's rows have an empty ``input``, some the words "<noinput>"
of the self-instruct generator; where there is an input, it follows the
instruction on a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bayling_study.config.corpora import ConversationCorpus
from bayling_study.corpora.readers.exchanges import Draft, draft
from bayling_study.corpora.readers.jsonitems import read_items, text_of
from bayling_study.corpora.readers.locate import locate
from bayling_study.corpora.types import Message

NO_INPUT = frozenset({"", "<noinput>", "noinput", "<no input>", "no input", "无输入", "<无输入>"})


def read(download: Path, corpus: ConversationCorpus) -> Iterator[Draft]:
    """Yields one single-turn conversation for each row.

    Raises:
        StudyError: a row lacks a field or a field is not text.
    """
    path = locate(download, corpus.path)
    for number, row in read_items(path):
        where = f"{path}: row {number}"
        instruction = text_of(row, "instruction", where).strip()
        given = text_of(row, "input", where).strip()
        answer = text_of(row, "output", where).strip()
        if instruction and given.lower() not in NO_INPUT:
            instruction = f"{instruction}\n{given}"
        turns = [Message("user", instruction), Message("assistant", answer)]
        yield draft(corpus, path.name, number, turns)
