"""Finds a file or folder inside a download."""

from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.fetched import files_root


def locate(download: Path, path: str) -> Path:
    """Returns the place of ``path`` in a download (``StudyError`` if it leaves it or is absent).

    An archive's single top folder (``llamafactory-0.9.5/``) may be left out of the path, so that a
    new version needs no other config.
    """
    for base in _bases(download, path):
        if (base / path).exists():
            return base / path
    raise StudyError(f"the download has no {path!r}", where=files_root(download))


def locate_all(download: Path, pattern: str) -> list[Path]:
    """Returns the files that a path with ``*`` and ``**`` stands for, in the order of their names.

    Raises:
        StudyError: the path leaves the download, or there is no such file.
    """
    for base in _bases(download, pattern):
        found = sorted(path for path in base.glob(pattern) if path.is_file())
        if found:
            return found
    raise StudyError(f"the download has no {pattern!r}", where=files_root(download))


def _bases(download: Path, path: str) -> list[Path]:
    """Returns the folders in which a path may be: the root, and its one top folder."""
    root = files_root(download)
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise StudyError(f"the path {path!r} leaves the download", where="corpora")
    tops = sorted(item for item in root.iterdir() if item.is_dir())
    return [root, *(tops if len(tops) == 1 else [])]
