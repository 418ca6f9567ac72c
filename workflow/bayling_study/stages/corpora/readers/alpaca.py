"""Reads instructions in Alpaca's form: items of ``instruction``, ``input``, ``output``.

Alpaca and its Chinese translations are a JSON array, BELLE's collections JSON
lines in a file called ``.json``, the hub's copies Parquet with further columns.

About 60 % of Alpaca's rows have an empty ``input``, some the words "<noinput>"
of the self-instruct generator; where there is an input, it follows the
instruction on a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import ConversationCorpus
from bayling_study.shared.corpus_tables import Message
from bayling_study.stages.corpora.readers.exchanges import Draft, draft
from bayling_study.stages.corpora.readers.jsonitems import read_items, text_of
from bayling_study.stages.corpora.readers.locate import locate_all

NO_INPUT = frozenset({"", "<noinput>", "noinput", "<no input>", "no input", "无输入", "<无输入>"})


def read(download: Path, corpus: ConversationCorpus) -> Iterator[Draft]:
    """Yields one single-turn conversation for each row.

    Raises:
        StudyError: a row lacks a field or a field is not text.
    """
    for path in locate_all(download, corpus.path):
        for number, row in read_items(path):
            yield draft(corpus, path.name, number, _turns(row, f"{path}: row {number}"))


def _turns(row: dict[str, Any], where: str) -> list[Message]:
    instruction = text_of(row, "instruction", where).strip()
    given = text_of(row, "input", where).strip()
    answer = text_of(row, "output", where).strip()
    if instruction and given.lower() not in NO_INPUT:
        instruction = f"{instruction}\n{given}"
    return [Message("user", instruction), Message("assistant", answer)]
