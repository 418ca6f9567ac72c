"""The sheet that annotators fill: one row per conversation, the systems in hidden order. It is read
when it comes back, and every mistake is told with its row and column."""

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json, write_text
from bayling_study.core.records import Hypothesis, Prompt, by_item
from bayling_study.core.seeds import generator

ABILITIES = ("translation", "instruction_following", "multi_turn")
"""What the paper's annotators ranked (arXiv 2306.10968)."""
FIRST_COLUMNS = ("item", "conversation")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Starts of a cell that spreadsheet programs take for a formula; answers are defused."""

DELIMITERS = (",", ";", "\t")
"""Spreadsheet programs write a semicolon where the comma is the decimal mark."""

INSTRUCTIONS = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8")


class SheetRow(NamedTuple):
    """A conversation, the systems in the order of the answer columns, each one's answers, and the
    ranks that are known already, in the order of ``rank_columns``."""

    prompt: Prompt
    order: list[str]
    answers: list[list[str]]
    ranks: Sequence[int] = ()


def draw_rows(
    prompts: Sequence[Prompt],
    answers: Mapping[str, Mapping[str, Hypothesis]],
    count: int,
    seed: int,
) -> list[SheetRow]:
    """Draws conversations of two or more turns that all systems answered, evenly over the suite's
    items, and hides names (``StudyError``: fewer than two systems, or too few conversations)."""
    if len(answers) < 2:
        raise StudyError("one system alone cannot be ranked", where="--systems", fix="two or more")
    every = answers.values()
    groups = by_item(p for p in prompts if len(p.turns) > 1 and all(p.id in own for own in every))
    available = sum(map(len, groups.values()))
    if count > available:
        what = f"{available} conversations of two or more turns have answers of all systems"
        fix = f"--items {available}" if available else "another suite"
        raise StudyError(what, where=f"--items {count}", fix=fix)
    for item, group in groups.items():
        generator(seed, "ranking", item).shuffle(group)
    in_turn = [prompt for row in zip_longest(*groups.values()) for prompt in row if prompt]
    drawn = []
    for prompt in in_turn[:count]:
        order = list(answers)
        generator(seed, "ranking", "order", prompt.id).shuffle(order)
        turns = [answers[system][prompt.id].turns for system in order]
        drawn.append(SheetRow(prompt, order, turns))
    return drawn


def rank_columns(systems: int) -> list[str]:
    """Returns the columns that annotators fill, ability by ability."""
    return [f"{ability}_{n}" for ability in ABILITIES for n in range(1, systems + 1)]


def write_sheet(folder: Path, rows: Sequence[SheetRow], about: Mapping[str, object]) -> None:
    """Writes ``sheet.csv`` (with a byte order mark, by which spreadsheet programs know UTF-8),
    ``INSTRUCTIONS.txt`` and ``key.json``, which says ``about`` besides the orders."""
    systems = len(rows[0].order)
    ranks = rank_columns(systems)
    empty = [""] * len(ranks)
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow([*FIRST_COLUMNS, *(f"answer_{n}" for n in range(1, systems + 1)), *ranks])
    for number, row in enumerate(rows, start=1):
        cells = [str(number), _numbered(row.prompt.turns), *map(_numbered, row.answers)]
        writer.writerow([*map(defused, cells), *(row.ranks or empty)])
    write_text(folder / "sheet.csv", "\ufeff" + stream.getvalue())
    write_text(folder / "INSTRUCTIONS.txt", INSTRUCTIONS.format(items=len(rows), systems=systems))
    numbered = enumerate(rows, start=1)
    orders = {str(n): {"prompt": row.prompt.id, "order": row.order} for n, row in numbered}
    write_json(folder / "key.json", {"schema": 1, **about, "rows": orders})


def defused(cell: str) -> str:
    """Returns a cell that no spreadsheet program takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _numbered(turns: Sequence[str]) -> str:
    return "\n".join(f"[{number}] {turn}" for number, turn in enumerate(turns, start=1))


class Key(NamedTuple):
    """Which system stands where; the systems are in the order in which the export got them."""

    suite: str
    systems: list[str]
    orders: dict[str, list[str]]  # row number to the systems in the order of its answer columns

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
    if missing := [number for number in key.orders if number not in ranks[ABILITIES[0]]]:
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
