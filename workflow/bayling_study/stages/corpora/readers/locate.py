"""Finds a file or folder inside a download."""

from collections.abc import Callable
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.fetched import files_root


class AbsentError(StudyError):
    """A download does not have a file."""


def locate(download: Path, path: str) -> Path:
    """Returns the place of ``path`` in a download (``StudyError`` if it leaves it or is absent). An
    archive's single top folder (``llamafactory-0.9.5/``) may be left out of the path, so that a new
    version needs no other config."""
    return _found(download, path, lambda base: [base / path] if (base / path).exists() else [])[0]


def locate_all(download: Path, pattern: str) -> list[Path]:
    """Returns the files that a path with ``*`` stands for, sorted (``StudyError`` if none)."""
    return _found(download, pattern, lambda base: sorted(filter(Path.is_file, base.glob(pattern))))


def _found(download: Path, path: str, look: Callable[[Path], list[Path]]) -> list[Path]:
    """Returns what is found in the root of a download or else in its one top folder."""
    root = files_root(download)
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise StudyError(f"the path {path!r} leaves the download", where="corpora")
    tops = sorted(item for item in root.iterdir() if item.is_dir())
    for base in [root, *(tops if len(tops) == 1 else [])]:
        if found := look(base):
            return found
    raise AbsentError(f"the download has no {path!r}", where=root)
