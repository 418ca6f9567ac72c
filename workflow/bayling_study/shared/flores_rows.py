"""Rows of FLORES, paired by their ids: what the corpora's reader and the suite have in common.

FLORES-101 is one sentence per line, paired by line. The tables of FLORES+ and of
the hub's FLORES-200 give each sentence an ``id``, the same in all languages; a
table that was sorted or filtered keeps its ids, not its places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.core.errors import StudyError
from bayling_study.shared.harness_tasks import read_rows

TABLES = (".jsonl", ".parquet")
IDS = ("id", "ID", "sentence_id")


class FloresRow(NamedTuple):
    """A sentence; ``id`` and ``document`` are empty where the release has none."""

    text: str
    id: str = ""
    document: str = ""


def read_table(path: Path) -> list[FloresRow]:
    """Returns the rows of one language's table.

    Raises:
        StudyError: the file is absent, or a row has no text.
    """
    if not path.exists():
        raise StudyError("the file does not exist", where=path)
    rows = read_rows(path)
    return [_row(row, f"{path}: row {number}") for number, row in enumerate(rows, start=1)]


def _row(row: dict[str, Any], where: str) -> FloresRow:
    key = "sentence" if "sentence" in row else "text"
    if not isinstance(row.get(key), str):
        what = "the value of 'text' is not text" if key in row else "the key 'text' is missing"
        raise StudyError(what.replace("'text'", repr(key)), where=where)
    number = next((row[name] for name in IDS if row.get(name) is not None), "")
    return FloresRow(row[key], str(number), str(row.get("url") or row.get("URL") or ""))


def paired(files: Sequence[tuple[Path, list[FloresRow]]]) -> list[list[FloresRow]]:
    """Returns each file's rows in the order of the first file's, by id where there are ids.

    Raises:
        StudyError: files differ in length, or an id is missing or stands twice.
    """
    most = max(len(rows) for _, rows in files)
    for path, rows in files:
        if len(rows) < most:
            raise StudyError(f"{path.name} has fewer lines than others", where=path)
    if not any(row.id for _, rows in files for row in rows):
        return [rows for _, rows in files]
    order = [row.id for row in files[0][1]]
    found = [_by_id(path, rows) for path, rows in files]
    for (path, _), rows_of in zip(files, found, strict=True):
        if missing := [name for name in order if name not in rows_of]:
            raise StudyError(f"{path.name} has no row with the id {missing[0]}", where=path)
    return [[rows_of[name] for name in order] for rows_of in found]


def _by_id(path: Path, rows: list[FloresRow]) -> dict[str, FloresRow]:
    found: dict[str, FloresRow] = {}
    for number, row in enumerate(rows, start=1):
        if not row.id:
            raise StudyError("no id, others have one", where=f"{path}: row {number}")
        if row.id in found:
            raise StudyError(f"{path.name} has the id {row.id} twice", where=path)
        found[row.id] = row
    return found
