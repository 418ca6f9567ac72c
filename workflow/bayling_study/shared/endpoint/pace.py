"""Whose turn it is when only so many requests may go at once, and when the next may go."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """Spaces requests evenly, and holds all of them when the server asks for a pause.

    Args:
        per_minute: largest number of requests per minute; none sets no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Takes the next moment at which a request may be sent; returns the seconds until then."""
        with self._lock:
            now = time.monotonic()
            moment = max(now, self._next)
            self._next = moment + self._interval
            return moment - now

    def hold(self, seconds: float) -> None:
        """Lets no request out for a while; those that wait already are not held."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


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
