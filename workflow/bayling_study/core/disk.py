"""Disks and the files on them: is there room, and is a file still what was noted of it? Standard
library only: the COMET environment uses this module too."""

import shutil
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_file


def bytes_in(folder: Path) -> int:
    """Returns the size of all files of a folder, 0 where there is none."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_space(folder: Path, needed: int, what: str, fix: str) -> None:
    """Refuses (``StudyError``) to begin what the disk of an existing folder cannot hold: ``needed``
    more bytes for ``what``, which begins the message."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        sizes = f"{needed / 1e9:.2f} GB, {free / 1e9:.2f} GB are free"
        raise StudyError(f"{what} needs {sizes}", where=folder, fix=fix)


def damage(path: Path, size: int | None, sha256: str) -> str:
    """Returns in words how a file differs from its noted size in bytes and SHA-256, where these are
    known; nothing if it does not."""
    if not path.is_file():
        return "is missing"
    if size is not None and path.stat().st_size != size:
        return f"has {path.stat().st_size} bytes in place of {size}"
    if sha256 and sha256_file(path) != sha256:
        return "is damaged: its SHA-256 differs"
    return ""
