"""Finds a file or folder inside a download."""

from __future__ import annotations

from pathlib import Path

from bayling_study.errors import StudyError
from bayling_study.sources import files_root


def locate(download: Path, path: str) -> Path:
    """Returns the place of ``path`` among a download's upstream files.

    An archive's single top folder (``llamafactory-0.9.5/``) may be left out of
    the path, so that a new version needs no other config.

    Raises:
        StudyError: the path leaves the download or is not there.
    """
    root = files_root(download)
    if Path(path).is_absolute() or ".." in Path(path).parts:
        raise StudyError(f"the path {path!r} leaves the download", where="corpora")
    tops = sorted(item for item in root.iterdir() if item.is_dir()) if root.is_dir() else []
    for base in [root, *(tops if len(tops) == 1 else [])]:
        if (base / path).exists():
            return base / path
    raise StudyError(f"the download has no {path!r}", where=root)
