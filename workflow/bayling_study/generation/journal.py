"""Finished batches on disk, so that a killed job loses at most one of them.

One JSON-lines file a suite: a header with the key of everything that decides
the answers, then one line a batch, synced before the next batch starts. A line
that a kill tore is cut off when the file is opened again; a file with another
key is started over.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bayling_study.errors import StudyError


@dataclass(frozen=True)
class Entry:
    """One answered turn.

    Attributes:
        id: the prompt's id.
        text: the answer, cleaned up as the suite asks.
        tokens: tokens generated.
        finish: ``stop`` or ``length``.
        cut: prompt tokens dropped to fit the context.
    """

    id: str
    text: str
    tokens: int
    finish: str
    cut: int = 0


class Journal:
    """The answers of one system to one suite, turn by turn.

    Attributes:
        turns: for each turn, prompt id to its answer.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self.turns: dict[int, dict[str, Entry]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._read(key)
        self._stream = open(path, "r+b" if whole else "wb")  # noqa: SIM115 - closed by close()
        self._stream.truncate(whole)
        self._stream.seek(whole)
        if not whole:
            self._write({"key": key})

    def answers(self, turn: int) -> dict[str, Entry]:
        """Returns the answers of a turn (from 0) by prompt id; add them by ``append`` only."""
        return self.turns.setdefault(turn, {})

    def append(self, turn: int, entries: list[Entry]) -> None:
        """Adds a batch; it is on disk when this returns."""
        self._write({"turn": turn, "entries": [asdict(entry) for entry in entries]})
        self.answers(turn).update({entry.id: entry for entry in entries})

    def close(self) -> None:
        """Closes the file, which stays on disk."""
        self._stream.close()

    def _write(self, row: dict[str, Any]) -> None:
        self._stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def _read(self, key: str) -> int:
        """Takes over what is whole; returns its length in bytes, 0 to start over."""
        if not self.path.exists():
            return 0
        whole = 0
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True)):
            row = _parsed(line)
            if row is None:
                break
            if number == 0 and row.get("key") != key:
                return 0
            if number > 0:
                entries = [Entry(**entry) for entry in row["entries"]]
                self.answers(row["turn"]).update({entry.id: entry for entry in entries})
            whole += len(line)
        return whole


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Returns a whole line's row, or none for a torn one."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder against a second job, such as an orphan that a scheduler left running.

    Raises:
        StudyError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StudyError(
                "another generation job is writing here", where=folder, fix="wait for it or stop it"
            ) from error
        yield
