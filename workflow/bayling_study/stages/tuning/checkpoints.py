"""Checkpoints that verify.

A checkpoint is a folder ``step-00000120`` with the files of ``states`` and a manifest. It is
written as ``.step-00000120.tmp``, synced and renamed, so it is complete unless the disk lied; the
manifest's sizes and hashes find that out. The newest one that verifies is used, damaged ones are
renamed ``damaged-…`` and reported. Random states need no file: every random choice of a step is
derived from the seed, the step and the process.
"""

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_file, sync_directory, write_json

MANIFEST = "manifest.json"
PREFIX = "step-"


@dataclass(frozen=True)
class StoredFile:
    """A file of a checkpoint: path inside it, size in bytes, SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint says of itself after ``step`` optimiser steps. ``position`` counts the
    conversations consumed from the stream of all epochs; as many or other ``processes`` can go on.
    ``data`` and ``code`` are hashes of the encoded conversations and of the code, ``files`` all
    files but this manifest."""

    step: int
    position: int
    processes: int
    seed: int
    data: str
    code: str
    files: list[StoredFile]


class Checkpoints:
    """The checkpoints of one training run, of which the ``keep`` newest stay."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def scratch(self, step: int) -> Path:
        """Returns where the checkpoint of a step is written before it counts."""
        return self.folder / f".{name(step)}.tmp"

    def prepare(self, step: int) -> Path:
        """Empties and returns the scratch folder of a step; leftovers of killed runs go too."""
        for leftover in self.folder.glob(f".{PREFIX}*.tmp"):
            shutil.rmtree(leftover)
        path = self.scratch(step)
        path.mkdir(parents=True)
        return path

    def commit(self, manifest: Manifest) -> Path:
        """Makes the scratch folder a checkpoint and removes the oldest ones."""
        scratch, final = self.scratch(manifest.step), self.folder / name(manifest.step)
        write_json(scratch / MANIFEST, asdict(manifest))
        if final.exists():
            shutil.rmtree(final)
        os.replace(scratch, final)
        sync_directory(self.folder)
        for old in self.all()[: -self.keep]:
            shutil.rmtree(old)
        return final

    def all(self) -> list[Path]:
        """Returns the checkpoint folders, oldest first."""
        return sorted(self.folder.glob(f"{PREFIX}*"))

    def newest(self, data: str) -> tuple[Manifest | None, list[str]]:
        """Returns the newest checkpoint that verifies, and what was set aside and why. One whose
        conversations do not have the hash ``data`` is set aside."""
        notes: list[str] = []
        for path in reversed(self.all()):
            try:
                manifest = read_manifest(path)
                if manifest.data != data:
                    raise StudyError("it learnt from other conversations", where=path)
                return manifest, notes
            except StudyError as error:
                aside = _set_aside(path)
                notes.append(f"{error.render()}; set aside as {aside.name}")
        return None, notes

    def remove_all(self) -> None:
        """Removes every checkpoint, once the result stands."""
        for path in self.all():
            shutil.rmtree(path)


def name(step: int) -> str:
    """Returns the folder name of a step's checkpoint; names sort by step."""
    return f"{PREFIX}{step:08d}"


def seal(folder: Path, part: int = 0, parts: int = 1) -> list[StoredFile]:
    """Syncs and hashes every ``parts``-th file of a folder, so that processes can share this."""
    stored = []
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    for path in sorted(files)[part::parts]:
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
        relative = path.relative_to(folder).as_posix()
        stored.append(StoredFile(relative, path.stat().st_size, sha256_file(path)))
    return stored


def read_manifest(folder: Path) -> Manifest:
    """Reads a checkpoint's manifest and verifies every file against it (``StudyError`` says what is
    missing or differs)."""
    values = read_json(folder / MANIFEST)
    try:
        files = [StoredFile(**row) for row in values.pop("files")]
        manifest = Manifest(**values, files=files)
    except (TypeError, KeyError, AttributeError) as error:
        raise StudyError(f"the manifest is incomplete ({error})", where=folder) from error
    for stored in manifest.files:
        path = folder / stored.path
        if problem := damage(path, stored.bytes, stored.sha256):
            raise StudyError(f"the file {problem}", where=path)
    return manifest


def _set_aside(path: Path) -> Path:
    """Renames a damaged checkpoint to a name that is still free."""
    aside = path.with_name(f"damaged-{path.name}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"damaged-{path.name}-{number}")
    os.replace(path, aside)
    return aside
