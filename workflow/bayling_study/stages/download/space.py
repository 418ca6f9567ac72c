"""Whether the disk holds what a download is about to write."""

from __future__ import annotations

import shutil
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.table import SourceRow

UNPACKED_FACTOR = 4
"""Disk that an archive and its content need, as a multiple of the archive, at the table's
largest ratio."""


def check_space(row: SourceRow, folder: Path, needed: int) -> None:
    """Refuses to begin what the disk cannot hold.

    Args:
        row: the source.
        folder: an existing folder on the disk.
        needed: bytes still to be written, an estimate.

    Raises:
        StudyError: fewer bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StudyError(
            f"{row.id} needs about {size(needed)}, but only {size(free)} are free",
            where=folder,
            fix="free some space, or set study.resources to a larger disk; what is fetched "
            "already is not fetched again",
        )


def size(count: float) -> str:
    """Returns a byte count with a decimal unit: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def bytes_in(folder: Path) -> int:
    """Returns the size of all files of a folder, 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
