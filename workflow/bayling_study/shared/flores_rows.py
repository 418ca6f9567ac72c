"""Rows of FLORES for the corpora and the suite, paired by line or by their ids. The tables of
FLORES+ and of the hub's FLORES-200 give a sentence the same ``id`` in all languages; a table that
was sorted keeps its ids, not its places."""

from collections.abc import Callable, Iterable, Sequence
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


def language_rows(path: Path, texts_of: Callable[[Path], Iterable[str]]) -> list[FloresRow]:
    """Returns the rows of one language's table, or of a file whose texts ``texts_of`` reads."""
    if path.suffix in TABLES:
        return read_table(path)
    return [FloresRow(text) for text in texts_of(path)]


def read_table(path: Path) -> list[FloresRow]:
    """Returns the rows of one language's table (``StudyError`` if it is absent or a text is)."""
    if not path.exists():
        raise StudyError("the file does not exist", where=path)
    return [_row(row, f"{path}: row {n}") for n, row in enumerate(read_rows(path), start=1)]


def _row(row: dict[str, Any], where: str) -> FloresRow:
    key = "sentence" if "sentence" in row else "text"
    if not isinstance(row.get(key), str):
        raise StudyError(f"{key!r} is missing or not text", where=where)
    number = next((row[name] for name in IDS if row.get(name) is not None), "")
    page = row.get("url") or row.get("URL") or ""
    if not isinstance(number, str | int) or not isinstance(page, str):
        raise StudyError("the id is no number or text, or the URL is not text", where=where)
    return FloresRow(row[key], str(number), page)


def paired(files: Sequence[tuple[Path, list[FloresRow]]]) -> list[list[FloresRow]]:
    """Returns each file's rows in the order of the first file's, by id where there are ids
    (``StudyError`` if files differ in length, or an id is missing or stands twice)."""
    most = max(len(rows) for _, rows in files)
    with_ids = any(row.id for _, rows in files for row in rows)
    ordered = []
    for path, rows in files:
        by_id = {row.id: row for row in rows}
        if len(rows) < most:
            raise StudyError(f"{path.name} has fewer lines than others", where=path)
        if with_ids and ("" in by_id or len(by_id) < most):
            raise StudyError(f"{path.name} has a row without an id, or an id twice", where=path)
        order = [row.id for row in files[0][1]] if with_ids else []
        if missing := [name for name in order if name not in by_id]:
            raise StudyError(f"{path.name} has no row with the id {missing[0]}", where=path)
        ordered.append([by_id[name] for name in order] or rows)
    return ordered
