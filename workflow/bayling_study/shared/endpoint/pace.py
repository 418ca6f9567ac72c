"""When the next request may go."""

import threading
import time


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
