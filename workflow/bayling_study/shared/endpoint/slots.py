"""Whose turn it is when only so many may go at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Slots:
    """A number of places that are given out in the order in which they were asked for.

    Unlike a semaphore's, the order is that of ``ask``, which never waits, and not that in which
    threads happen to run.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._line: deque[threading.Event] = deque()
        self._lock = threading.Lock()

    def ask(self) -> threading.Event:
        """Joins the line; what is returned is set when it is this one's turn."""
        turn = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                turn.set()
            else:
                self._line.append(turn)
        return turn

    @contextmanager
    def held(self, turn: threading.Event) -> Iterator[None]:
        """Waits for the turn, and gives the place to the next in line at the end."""
        turn.wait()
        try:
            yield
        finally:
            with self._lock:
                if self._line:
                    self._line.popleft().set()
                else:
                    self._free += 1
