"""What was computed before: sentence embeddings and scores, on disk.

Keys are hashes of text; the folder's name carries the model's hash, the precision and the package
version. Kept are the embeddings of sources and references, which a new system needs again, and the
score of each (source, hypothesis, reference). Each run adds whole files under fresh names and
changes none: any number of runs can share a cache, also on a network file system without locks.
"""

import hashlib
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file

FLUSH_SECONDS = 60.0
KINDS = ("scores", "embeddings")


class Triple(NamedTuple):
    """One translation to score."""

    source: str
    hypothesis: str
    reference: str


def text_key(*texts: str) -> bytes:
    """Returns the SHA-256 of texts; their lengths are part of it, so no two lists collide."""
    digest = hashlib.sha256()
    for text in texts:
        data = text.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


class Cache:
    """One model's scores by triples' keys and fp32 embeddings by texts', at one precision."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scores: dict[bytes, Any] = {}
        self.embeddings: dict[bytes, Any] = {}
        self._new: dict[str, dict[bytes, Any]] = {kind: {} for kind in KINDS}
        self._flushed = time.monotonic()
        for kind in KINDS:
            for path in sorted(folder.glob(f"{kind}-*.npz")):
                getattr(self, kind).update(_read(path))

    def add(self, kind: str, entries: dict[bytes, Any]) -> None:
        """Adds entries of a kind; they reach the disk at the latest with ``flush``."""
        getattr(self, kind).update(entries)
        self._new[kind].update(entries)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Writes what was added since the last time."""
        for kind, entries in self._new.items():
            if entries:
                with atomic_file(self.folder / f"{kind}-{uuid.uuid4().hex}.npz", "wb") as stream:
                    keys = np.frombuffer(b"".join(entries), dtype=np.uint8).reshape(-1, 32)
                    values = np.array(list(entries.values()), dtype=np.float32)
                    np.savez(stream, keys=keys, values=values)
                entries.clear()
        self._flushed = time.monotonic()


def _read(path: Path) -> dict[bytes, Any]:
    try:
        with np.load(path, allow_pickle=False) as content:
            keys = (row.tobytes() for row in content["keys"])
            return dict(zip(keys, content["values"], strict=True))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        what, fix = f"the cache file cannot be read ({error})", f"delete {path.name}"
        raise StudyError(what, where=path, fix=fix) from error
