"""Progress of a long job in its log: what is done, the rate, the time left."""

from __future__ import annotations

import logging
import time

LOG = logging.getLogger(__name__)
SECONDS = 20.0
"""Between two lines."""


class Progress:
    """Counts conversations against a goal.

    Args:
        goal: conversations wanted.
    """

    def __init__(self, goal: int) -> None:
        self._goal, self._done = goal, 0
        self._start = self._told = time.monotonic()

    def add(self, count: int) -> None:
        """Adds finished conversations, and tells how far it is from time to time."""
        self._done += count
        now = time.monotonic()
        if now - self._told >= SECONDS and self._done:
            self._told = now
            rate = self._done / (now - self._start)
            left = max(0, self._goal - self._done) / rate
            LOG.info("%d of %d, %.0f a second, %.0f s left", self._done, self._goal, rate, left)
