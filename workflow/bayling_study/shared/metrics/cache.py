"""A cache of segment statistics on disk, keyed by what they were computed from. A key is the hash
of the metric's signature, the hypotheses and the references: an entry is never stale, and all
programs share it. Each is written whole, so concurrent jobs only repeat work."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bayling_study.core.files import atomic_file, sha256_json

Texts = Sequence[str]
Counts = NDArray[np.uint32]
SCHEMA = 1  # raise it when the meaning of stored columns changes


@dataclass
class StatisticsCache:
    """Arrays of counts by content, in a folder that the first one makes; without it none is kept.
    ``hits`` were found, ``misses`` computed."""

    folder: Path | None = None
    hits: int = 0
    misses: int = 0

    def get(
        self, signature: str, hypotheses: Texts, references: Texts, compute: Callable[[], Counts]
    ) -> Counts:
        """Returns the counts, shape (segments, columns), computing them if they are not stored; an
        unreadable entry (a disk fault) is computed again and replaced."""
        if self.folder is None:
            return compute()
        key = sha256_json([SCHEMA, signature, list(hypotheses), list(references)])
        path = self.folder / key[:2] / f"{key}.npz"
        stored = _load(path)
        if stored is not None and len(stored) == len(hypotheses):
            self.hits += 1
            return stored
        self.misses += 1
        counts = compute()
        with atomic_file(path, "wb") as stream:
            np.savez_compressed(stream, counts=counts)
        return counts


def default_folder(out: Path) -> Path:
    """Returns the study's cache for an output in its ``scoring`` folder."""
    return out.absolute().parent.parent / "work" / "scoring"


def _load(path: Path) -> Counts | None:
    try:
        with np.load(path, allow_pickle=False) as entry:
            return np.asarray(entry["counts"], dtype=np.uint32)
    except (FileNotFoundError, zipfile.BadZipFile, KeyError, ValueError, EOFError):
        return None
