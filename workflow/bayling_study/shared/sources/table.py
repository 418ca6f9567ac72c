"""Upstream sources, of ``config/sources.tsv`` and of the configuration: reading, hashing. One
tab-separated line a source, columns as in ``COLUMNS``. The table pins what is known; a source whose
sha256 is not known here is locked at its first download (``bayling_study.stages.download.lock``).
The workflow reads the table whenever it is parsed, so this module imports nothing heavy."""

from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from bayling_study.config.base import Name
from bayling_study.config.model import StudyConfig
from bayling_study.config.sources import Kind, Source
from bayling_study.core.credentials import without_credentials
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json
from bayling_study.core.lookup import closest
from bayling_study.core.tables import beside, read_table

IDENTITY = ("id", "kind", "location", "revision", "files", "sha256")
"""Columns that decide the fetched bytes; a change of any other refetches nothing."""
ROW_HASH_DIGITS = 8
FIXES: dict[str, str] = beside(__file__)  # what a column takes


class SourceRow(Source):
    """A source and its name."""

    id: Name  # what the configuration calls it, and the first part of its folder's name
    first: int = 0  # rows kept of each file, in a rehearsal; 0 keeps all

    @property
    def patterns(self) -> tuple[str, ...]:
        """Returns the patterns of the wanted files; for sacreBLEU ``files`` are pairs instead."""
        sides = (f"{pair}.*" for pair in self.files)
        return tuple(sides) if self.kind == "sacrebleu" else self.files


COLUMNS = ("id", *Source.model_fields)


def read_sources(path: Path) -> dict[str, SourceRow]:
    """Reads the table; returns the rows by id, in the table's order (``StudyError``: names file,
    line and column of the first thing that is wrong)."""
    rows: dict[str, SourceRow] = {}
    for where, cells in read_table(path, COLUMNS):
        row = _row(cells, where)
        if row.id in rows:
            raise StudyError(f"the id {row.id!r} occurs twice", where=f"{where}, column id")
        rows[row.id] = row
    return rows


def known_sources(config: StudyConfig) -> dict[str, SourceRow]:
    """Returns the table's rows, then the configuration's own sources, by id (``StudyError``: the
    table is wrong, or one of its ids stands in the configuration too)."""
    path = Path(config.download.manifest)
    rows = read_sources(path)
    for name, source in config.sources.items():
        if name in rows:
            fix = f"another name, or a copy of it by download.local: {{{name}: PATH}}"
            raise StudyError(f"{path} has a source of that name", where=f"sources.{name}", fix=fix)
        rows[name] = SourceRow(id=name, **source.model_dump())
    if config.rehearsal:
        cut = {"first": config.rehearsal.rows}
        rows = {name: row.model_copy(update=cut) for name, row in rows.items()}
    return rows


def row_hash(row: SourceRow) -> str:
    """Returns 8 hex digits of what decides a source's bytes; part of its folder's name. Of
    repositories that hold the same it is the first: another name needs no other download."""
    values = row.model_dump(mode="json", include=set(IDENTITY))
    values |= {"location": row.places[0]} if row.kind == "hub" else {}
    values |= {"first": row.first} if row.first else {}
    return sha256_json(values)[:ROW_HASH_DIGITS]


def _row(cells: dict[str, str], where: str) -> SourceRow:
    if cells["gated"] not in ("yes", "no"):
        what = f"{cells['gated']!r} is neither yes nor no"
        raise StudyError(what, where=f"{where}, column gated")
    files = tuple(item.strip() for item in cells["files"].split(";") if item.strip())
    values: dict[str, object] = {"files": files}
    values |= {"bytes": cells["bytes"] or None, "gated": cells["gated"] == "yes"}
    try:
        return SourceRow.model_validate(cells | values)
    except ValidationError as error:
        finding = error.errors()[0]
        column = str(finding["loc"][0]) if finding["loc"] else "kind"
        reason = finding["msg"].removeprefix("Value error, ")
        what = f"{without_credentials(cells.get(column, ''))!r}: {reason}"
        fix = _fix(column, cells.get(column, ""))
        raise StudyError(what, where=f"{where}, column {column}", fix=fix) from error


def _fix(column: str, value: str) -> str | None:
    """Says what a column takes, where that is not in the reason already."""
    if column == "kind":
        kinds = get_args(Kind)
        near = closest(value, kinds)
        return f"write {near!r} instead" if near else f"use one of: {', '.join(kinds)}"
    return FIXES.get(column)
