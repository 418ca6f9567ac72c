"""The table of upstream sources, ``config/sources.tsv``: reading, checking, hashing.

One tab-separated line a source, columns as in ``COLUMNS``. The table pins what
is known; a source whose sha256 is not known here is locked at its first
download (``bayling_study.stages.download.lock``). The workflow reads the table whenever
it is parsed, so this module imports nothing heavy.
"""

import re
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator

from bayling_study.config.base import Name, Section
from bayling_study.core.credentials import without_credentials
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json
from bayling_study.core.lookup import closest, look_up
from bayling_study.core.tables import read_table

Kind = Literal[
    "pip-wheel", "pip-sdist", "url", "git", "hub", "sacrebleu", "apt", "npm", "babel", "local"
]
IDENTITY = ("id", "kind", "location", "revision", "files", "sha256")
"""Columns that decide the fetched bytes; a change of any other refetches nothing."""
PINNED_KINDS = ("pip-wheel", "pip-sdist")
"""Kinds whose archive must be hash-pinned in the table: an index may serve anything."""
VERSIONED_KINDS = ("apt", "npm", "babel")
"""Kinds that name a package's version; what that version holds is locked at first."""
ROW_HASH_DIGITS = 8

Sha256 = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]


class SourceRow(Section):
    """One upstream source."""

    id: Name
    """What the configuration calls it, and the first part of its folder's name."""
    kind: Kind
    location: str = Field(min_length=1)
    """Package, address, repository address, ``models/OWNER/NAME``, test set or path, by kind."""
    revision: str = ""
    """Version, commit or hub revision; empty on the hub means locked at the first download."""
    files: tuple[str, ...] = ()
    """Patterns of members to keep, relative to the archive's top; empty keeps all.
    ``*`` crosses no ``/``, ``**`` does."""
    sha256: Sha256 = ""
    """Of the archive or single file; for kinds of many files (git, hub, sacrebleu, a local
    folder) of their listing, see ``bayling_study.stages.download.receipt.listing_hash``."""
    bytes: int | None = Field(default=None, gt=0)
    """Size of the transfer: exact and insisted on for packages and ``url``, else an estimate."""
    licence: str = Field(min_length=1)
    """Name of the licence as the report shows it; ``unknown`` where nobody states one."""
    gated: bool = False
    """Whether the host wants terms accepted and a token."""
    used_by: tuple[str, ...] = ()
    """Studies that may read it; a remark for people."""
    note: str = ""
    """What else a reader of the table should know."""

    @field_validator("files")
    @classmethod
    def _relative(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"pattern {pattern!r} must stay inside the archive")
        return patterns

    @model_validator(mode="after")
    def _complete(self) -> "SourceRow":
        if self.kind in PINNED_KINDS and not (self.revision and self.sha256 and self.bytes):
            raise ValueError(f"kind {self.kind} needs revision, sha256 and bytes")
        if self.kind in VERSIONED_KINDS and not self.revision:
            raise ValueError(f"kind {self.kind} needs a version as revision")
        if self.kind == "git" and not re.fullmatch(r"[0-9a-f]{7,40}", self.revision):
            raise ValueError("kind git needs a commit id of 7 to 40 hex digits as revision")
        if self.kind == "hub" and not re.fullmatch(
            r"(models|datasets)/[\w.-]+/[\w.-]+", self.location
        ):
            raise ValueError("kind hub needs a location models/OWNER/NAME or datasets/OWNER/NAME")
        if self.kind == "url" and not re.match(r"https?://", self.location):
            raise ValueError("kind url needs an http or https address as location")
        return self


COLUMNS = tuple(SourceRow.model_fields)


def read_sources(path: Path) -> dict[str, SourceRow]:
    """Reads the table; returns the rows by id, in the table's order.

    Raises:
        StudyError: names file, line and column of the first thing that is wrong.
    """
    rows: dict[str, SourceRow] = {}
    for where, cells in read_table(path, COLUMNS):
        row = _row(cells, where)
        if row.id in rows:
            raise StudyError(f"the id {row.id!r} occurs twice", where=f"{where}, column id")
        rows[row.id] = row
    return rows


def source_row(path: Path, source: str) -> SourceRow:
    """Returns one source's row.

    Raises:
        StudyError: the table is wrong or has no such source.
    """
    return look_up("source", source, read_sources(path), path)


def row_hash(row: SourceRow) -> str:
    """Returns 8 hex digits of what decides a source's bytes; part of its folder's name."""
    values = row.model_dump(mode="json", include=set(IDENTITY))
    return sha256_json(values)[:ROW_HASH_DIGITS]


def _row(cells: dict[str, str], where: str) -> SourceRow:
    if cells["gated"] not in ("yes", "no"):
        raise StudyError(
            f"{cells['gated']!r} is neither yes nor no", where=f"{where}, column gated"
        )
    values = {
        **cells,
        "files": _items(cells["files"]),
        "used_by": _items(cells["used_by"]),
        "bytes": cells["bytes"] or None,
        "gated": cells["gated"] == "yes",
    }
    try:
        return SourceRow.model_validate(values)
    except ValidationError as error:
        finding = error.errors()[0]
        column = str(finding["loc"][0]) if finding["loc"] else "kind"
        reason = finding["msg"].removeprefix("Value error, ")
        raise StudyError(
            f"{without_credentials(cells.get(column, ''))!r}: {reason}",
            where=f"{where}, column {column}",
            fix=_fix(column, cells.get(column, "")),
        ) from error


def _items(cell: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in cell.split(";") if item.strip())


def _fix(column: str, value: str) -> str | None:
    """Says what a column takes, where that is not in the reason already."""
    if column == "kind":
        kinds = get_args(Kind)
        near = closest(value, kinds)
        return f"write {near!r} instead" if near else f"use one of: {', '.join(kinds)}"
    return {
        "sha256": "write 64 lower-case hex digits, or leave it empty to lock at first download",
        "bytes": "write the size as a whole number without separators, or leave it empty",
        "id": "use lower-case letters, digits, '.', '_' and '-'",
        "licence": "write the licence's name, or 'unknown'",
    }.get(column)
