"""The bundle's archive: a plain tar with one top folder and a list of hashes.

``bundle.json`` is the archive's first file and holds every other's SHA-256 and size, so that
``verify`` can tell afterwards what arrived. The tar is not compressed: weights and archives would
not shrink, and any tar program can unpack it.
"""

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bayling_study.commands.bundle.contents import Entry
from bayling_study.commands.bundle.verify import LISTING
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file, sha256_file
from bayling_study.core.progress import Progress

BLOCK = 512
"""Tar's unit; a member has a header of one and is filled up to whole ones."""


def list_contents(entries: Iterable[Entry]) -> tuple[list[Entry], dict[str, dict[str, Any]]]:
    """Returns the entries sorted by path, and the hash and size of each."""
    ordered = sorted(entries, key=lambda entry: entry[0])
    listing = {}
    for name, content in ordered:
        if isinstance(content, bytes):
            facts = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        else:
            facts = {"sha256": sha256_file(content), "bytes": content.stat().st_size}
        listing[name] = facts
    return ordered, listing


def archive_bytes(listing: dict[str, dict[str, Any]]) -> int:
    """Returns the size of the archive of some files, give or take long names."""
    return sum(BLOCK * (2 + -(-facts["bytes"] // BLOCK)) for facts in listing.values())


def write(
    path: Path, top: str, about: dict[str, Any], entries: list[Entry], listing: dict[str, Any]
) -> None:
    """Writes the archive, whole or not at all, with all entries in the one folder ``top``.

    ``listing`` holds their hashes and sizes; ``about`` is what else ``bundle.json`` says.

    Raises:
        StudyError: a file changed since it was hashed.
    """
    text = json.dumps({**about, "files": listing}, ensure_ascii=False, indent=1).encode()
    sizes = {LISTING: len(text)} | {name: facts["bytes"] for name, facts in listing.items()}
    with (
        atomic_file(path, "wb") as sink,
        tarfile.open(fileobj=sink, mode="w|") as tar,
        Progress(path.name, sum(sizes.values()), "B") as progress,
    ):
        for name, content in [(LISTING, text), *entries]:
            _add(tar, f"{top}/{name}", content, sizes[name])
            progress.update(sizes[name])


def _add(tar: tarfile.TarFile, name: str, content: Path | bytes, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    if isinstance(content, bytes):
        info.mtime = int(time.time())
        tar.addfile(info, io.BytesIO(content))
        return
    facts = content.stat()
    info.mtime, info.mode = int(facts.st_mtime), 0o755 if facts.st_mode & 0o100 else 0o644
    changed = StudyError("the file changed while it was being packed", where=content)
    if facts.st_size != size:
        raise changed
    try:
        with open(content, "rb") as stream:
            tar.addfile(info, stream)
    except OSError as error:
        if error.errno is None:  # tarfile's own: fewer bytes than the header says
            raise changed from error
        raise
