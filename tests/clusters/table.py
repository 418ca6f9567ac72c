"""The points that were shown, one line each, as they come."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Table:
    """Collects outcomes; a point that fails is told and the test goes on.

    Args:
        folder: for the outputs that ``show`` keeps.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[tuple[str, bool, float, str]] = []
        self._note = ""

    @contextmanager
    def point(self, name: str) -> Iterator[None]:
        """Notes whether the block ends without an error, and how long it took."""
        begin, self._note = time.monotonic(), ""
        try:
            yield
            passed = True
        except Exception as error:
            passed, self._note = False, f"{type(error).__name__}: {error}"
            traceback.print_exc()
        self.rows.append((name, passed, time.monotonic() - begin, self._note))
        print(self._line(*self.rows[-1]), flush=True)

    def note(self, text: str) -> None:
        """Adds what was seen to the point at hand."""
        self._note = text

    def show(self, title: str, text: str) -> None:
        """Prints and keeps the output of a program."""
        print(f"--- {title}\n{text.rstrip()}\n---", flush=True)
        name = "".join(letter if letter.isalnum() else "-" for letter in title)
        (self.folder / f"{name}.txt").write_text(text)

    def end(self) -> int:
        """Prints the table and, last, the counts; returns the exit status."""
        print("\n" + "\n".join(self._line(*row) for row in self.rows))
        passed = sum(row[1] for row in self.rows)
        print(f"{passed} passed, {len(self.rows) - passed} failed")
        return int(passed < len(self.rows))

    @staticmethod
    def _line(name: str, passed: bool, seconds: float, note: str) -> str:
        outcome = "ok    " if passed else "FAILED"
        return f"{outcome} {seconds:5.0f} s  {name}{f'  [{note[:300]}]' if note else ''}"
