"""Section ``rehearsal``: the study is one in small, made from the first rows of every source."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from bayling_study.config.base import Section
from bayling_study.core.errors import StudyError

FOLDER = "rehearsal"
"""Below ``study.results`` and ``study.resources``: the roots of all rehearsals."""
MARK = "REHEARSAL"
"""A file that marks all below its folder as a rehearsal's."""
STAND_IN_NOTE = "stand-in.json"
"""Beside a model's stand-in: what of it is not upstream's, and why."""
WARNING = "A rehearsal, of the first rows of every source: no number of it means anything."


def rehearsed_at(path: Path) -> bool:
    """Tells whether a path lies in a rehearsal."""
    resolved = path.expanduser().resolve()
    return any((folder / MARK).is_file() for folder in (resolved, *resolved.parents))


def refuse_rehearsal(path: Path, where: object) -> None:
    """Refuses (``StudyError``) what a rehearsal made where a study's is wanted."""
    if rehearsed_at(path):
        what = f"{path} is of a rehearsal: of a few rows, with random weights"
        raise StudyError(what, where=where, fix="what the study itself makes: make study")


class RehearsalSection(Section):
    """What a rehearsal is one of, and how much of each source it reads. ``make rehearse`` writes
    this section; a study itself has none."""

    of: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    """First digits of the hash of the configuration that is rehearsed."""
    rows: int = Field(default=40, gt=0)
    """Rows that are kept of each file of a source."""
    file_megabytes: int = Field(default=4, gt=0)
    """What is read of one file at most, where its server and its format allow a part."""
    source_megabytes: int = Field(default=64, gt=0)
    """What is read of one source at most, but for the first pages of each Parquet file; an archive
    of no more is read whole."""
