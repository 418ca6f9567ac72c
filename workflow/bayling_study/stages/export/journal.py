"""The work folder of an export: what is already on disk, verified by hash.

``.NAME.partial/`` beside the output holds the weight files at their full
length, ``plan.json`` (what they are made from) and ``journal.jsonl`` (a row a
finished tensor with its pieces' hashes and its errors). An export that was
killed finds the folder, checks every finished piece against its hash and goes
on with the rest. A folder made from other input, settings or code is dropped.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, uint8

from bayling_study.core.errors import StudyError
from bayling_study.core.files import CHUNK_BYTES, read_json, write_json
from bayling_study.stages.export.encoding import Encoded, TensorError
from bayling_study.stages.export.plan import Piece, Plan, Task

PLAN = "plan.json"
JOURNAL = "journal.jsonl"
LOCK = "lock"
BOOKKEEPING = (PLAN, JOURNAL, LOCK)
SPARE_BYTES = 64 << 20
"""Room left for the tokenizer and the report."""


class Journal:
    """The open work folder of one export; see ``open_journal``.

    Attributes:
        folder: the work folder.
        finished: the errors of the tensors that are on disk, by name.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.finished: dict[str, TensorError] = {}
        self._descriptors = {
            file.name: os.open(folder / file.name, os.O_RDWR | os.O_CREAT, 0o644)
            for file in plan.files
        }
        self._rows = open(folder / JOURNAL, "a+b")  # noqa: SIM115 - closed in close()

    def allocate(self, plan: Plan) -> None:
        """Writes the headers and gives the files their length."""
        for file in plan.files:
            os.truncate(self._descriptors[file.name], file.size)
            _write(self._descriptors[file.name], file.header, 0)

    def write(self, task: Task, encoded: Encoded) -> None:
        """Writes a tensor's pieces, then the row that says so."""
        hashes = []
        for piece, blob in zip(task.pieces, encoded.blobs, strict=True):
            data = _bytes(blob)
            if len(data) != piece.nbytes:
                raise AssertionError(f"{task.source}: {len(data)} bytes for {piece}")
            _write(self._descriptors[piece.file], data, piece.offset)
            hashes.append(hashlib.sha256(data).hexdigest())
        row = {"source": task.source, "sha256": hashes, "error": asdict(encoded.error)}
        self._rows.write(json.dumps(row).encode() + b"\n")
        self._rows.flush()
        self.finished[task.source] = encoded.error

    def recover(self, plan: Plan) -> None:
        """Reads the rows of an earlier attempt and keeps those whose bytes are on disk."""
        tasks = {task.source: task for task in plan.tasks}
        self._rows.seek(0)
        kept = []
        for line in self._rows.read().splitlines():
            row = _parse(line)
            if row and row["source"] in tasks and self._verified(tasks[row["source"]], row):
                self.finished[row["source"]] = TensorError(**row["error"])
                kept.append(line + b"\n")
        self._rows.truncate(0)
        self._rows.write(b"".join(kept))
        self._rows.flush()

    def _verified(self, task: Task, row: dict[str, Any]) -> bool:
        found = [self._hash(piece) for piece in task.pieces]
        return bool(row["sha256"] == found)

    def _hash(self, piece: Piece) -> str:
        """Returns the SHA-256 of what is on disk; less than the piece if the file is shorter."""
        digest = hashlib.sha256()
        end = piece.offset + piece.nbytes
        for start in range(piece.offset, end, CHUNK_BYTES):
            length = min(CHUNK_BYTES, end - start)
            digest.update(os.pread(self._descriptors[piece.file], length, start))
        return digest.hexdigest()

    def close(self) -> None:
        """Closes the files; the folder stays."""
        self._rows.close()
        for descriptor in self._descriptors.values():
            os.close(descriptor)


@contextmanager
def open_journal(out: Path, plan: Plan, identity: dict[str, Any]) -> Iterator[Journal]:
    """Opens the work folder beside ``out``, taking over what an earlier attempt finished.

    Args:
        out: folder that the export will become.
        plan: where everything goes.
        identity: what decides the bytes (input, settings, code); another
            identity starts afresh.

    Raises:
        StudyError: another process works in the folder, or the disk is too small or fills up.
    """
    folder = out.with_name(f".{out.name}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "w") as lock:
        _lock(lock.fileno(), folder)
        identity = identity | {"layout": plan.fingerprint()}
        if (folder / PLAN).exists() and _read_plan(folder) != identity:
            _clear(folder)
        _check_space(folder, plan)
        journal = Journal(folder, plan)
        try:
            journal.recover(plan)
            journal.allocate(plan)
            write_json(folder / PLAN, identity)
            yield journal
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise StudyError(
                f"the disk is full ({error.strerror})",
                where=folder,
                fix="make room and start again: finished tensors are kept",
            ) from error
        finally:
            journal.close()


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StudyError("another export is writing here", where=folder) from error


def _read_plan(folder: Path) -> Any:
    try:
        return read_json(folder / PLAN)
    except StudyError:
        return None  # unreadable means not ours: start afresh


def _clear(folder: Path) -> None:
    for file in folder.iterdir():
        if file.name != LOCK:
            file.unlink()


def _check_space(folder: Path, plan: Plan) -> None:
    """Refuses before the first byte if the files cannot fit; blocks already held count."""
    held = sum(
        (folder / file.name).stat().st_blocks * 512
        for file in plan.files
        if (folder / file.name).exists()
    )
    needed = plan.nbytes + SPARE_BYTES - held
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StudyError(
            f"the export needs {needed / 1e9:.2f} GB more, the disk has {free / 1e9:.2f} GB",
            where=folder.parent,
            fix="make room or write somewhere else",
        )


def _parse(line: bytes) -> dict[str, Any] | None:
    """Returns a journal row, or none for the half row that a kill left behind."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _bytes(blob: Tensor) -> memoryview:
    return memoryview(blob.contiguous().reshape(-1).view(uint8).numpy())


def _write(descriptor: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
