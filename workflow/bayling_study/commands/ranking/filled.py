"""Reading sheets that annotators have filled; every mistake is told with its row and column."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from bayling_study.commands.ranking.sheet import ABILITIES, rank_columns
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json

DELIMITERS = (",", ";", "\t")
"""Spreadsheet programs write a semicolon where the comma is the decimal mark."""


@dataclass(frozen=True)
class Key:
    """Which system stands where; the systems are in the order in which the export got them."""

    suite: str
    systems: list[str]
    orders: dict[str, list[str]]
    """Row number to the systems in the order of its answer columns."""

    @classmethod
    def read(cls, path: Path) -> "Key":
        """Reads ``key.json``."""
        value = read_json(path)
        orders = {number: row["order"] for number, row in value["rows"].items()}
        return cls(value["suite"], value["systems"], orders)


Ranks = dict[str, dict[str, dict[str, int]]]
"""Ability to row number to system to rank, of one annotator."""


def read_sheet(path: Path, key: Key) -> Ranks:
    """Reads one annotator's sheet (``StudyError`` if a column, a row or a rank is missing, repeated
    or impossible)."""
    rows = _rows(path)
    header = rows[0] if rows else []
    for column in ["item", *rank_columns(len(key.systems))]:
        if header.count(column) != 1:
            what = f"the column {column} is there {header.count(column)} times"
            fix = "the header row of sheet.csv, unchanged"
            raise StudyError(what, where=f"{path}: row 1", fix=fix)
    ranks: Ranks = {ability: {} for ability in ABILITIES}
    for number, cells in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in cells):
            _take(ranks, dict(zip(header, cells, strict=False)), key, f"{path}: row {number}")
    missing = [number for number in key.orders if number not in ranks[ABILITIES[0]]]
    if missing:
        raise StudyError(f"there is no row with item {missing[0]}", where=path)
    return ranks


def _rows(path: Path) -> list[list[str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise StudyError("the file does not exist", where=path) from error
    except UnicodeDecodeError as error:
        raise StudyError("not UTF-8 text", where=path, fix="save it as CSV UTF-8") from error
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _take(ranks: Ranks, cells: dict[str, str], key: Key, where: str) -> None:
    """Adds one row's ranks."""
    item = cells.get("item", "").strip()
    if item not in key.orders:
        raise StudyError(f"the key has no item {item!r}", where=f"{where}, column item")
    if item in ranks[ABILITIES[0]]:
        raise StudyError(f"item {item} is duplicated", where=f"{where}, column item")
    order = key.orders[item]
    for ability in ABILITIES:
        columns = [f"{ability}_{n}" for n in range(1, len(order) + 1)]
        values = [_rank(cells.get(c, ""), len(order), f"{where}, column {c}") for c in columns]
        if min(values) != 1:
            place = f"{where}, columns {columns[0]} to {columns[-1]}"
            raise StudyError("no answer has rank 1", where=place)
        ranks[ability][item] = dict(zip(order, values, strict=True))


def _rank(cell: str, most: int, where: str) -> int:
    text = cell.strip().removesuffix(".0")
    if text.isdecimal() and 1 <= int(text) <= most:
        return int(text)
    what = f"{cell!r} is not a rank" if cell.strip() else "the rank is missing"
    raise StudyError(what, where=where, fix=f"a whole number from 1 to {most}")
