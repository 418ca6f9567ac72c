"""An append-only file of JSON rows that survives a kill at any byte. A last line that a kill tore
is cut off when the file is opened again. Standard library only."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import NOT_JSON


class RowLog:
    """An open log, made with its folder if need be (``StudyError`` if another process has it);
    ``rows`` is what it held when it was opened, in order."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = open(path, "a+b")  # noqa: SIM115 - closed by close()
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._stream.close()
            what = "another process is writing this file"
            raise StudyError(what, where=path, fix="wait for it or stop it") from error
        self._stream.seek(0)
        self.rows, whole = whole_rows(self._stream.read())
        self._stream.truncate(whole)

    def append(self, row: dict[str, Any]) -> None:
        """Adds a row; it is on disk when this returns."""
        self._stream.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())

    def clear(self) -> None:
        """Starts the log over."""
        self._stream.truncate(0)
        self.rows = []

    def close(self) -> None:
        """Closes the file, which stays on disk; the rows stay in memory."""
        self._stream.close()


def whole_rows(content: bytes) -> tuple[list[dict[str, Any]], int]:
    """Returns the rows before the first torn or foreign line, and their length in bytes."""
    rows: list[dict[str, Any]] = []
    length = 0
    for line in content.split(b"\n")[:-1]:
        try:
            row = json.loads(line)
        except NOT_JSON:
            break
        if not isinstance(row, dict):
            break
        rows.append(row)
        length += len(line) + 1
    return rows, length
