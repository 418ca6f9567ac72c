"""Seconds of the clock and of this process's work, for benchmarks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
Times = tuple[float, float]
"""Seconds by the clock, and seconds that this process computed."""


class Stopwatch:
    """Seconds since its start, of the clock and of this process's work."""

    def __init__(self) -> None:
        self.begin = time.perf_counter(), time.process_time()

    def read(self) -> Times:
        """Returns both."""
        return time.perf_counter() - self.begin[0], time.process_time() - self.begin[1]


def timed(run: Callable[[], Result]) -> tuple[Result, float, float]:
    """Returns what a call returns, its seconds of wall clock and of processor time."""
    watch = Stopwatch()
    result = run()
    return result, *watch.read()
