"""A clock that stands still while no job runs.

A study is often stopped and gone on with days later, and shares downloads with
studies of last year: the time between would be most of every time axis.
"""

from collections.abc import Iterable, Mapping
from typing import Any


def end_of(record: Mapping[str, Any]) -> float:
    """Returns when a job ended (seconds since 1970); its start where nobody knows."""
    return float(record["end"] or record["start"])


class BusyClock:
    """Seconds in which at least one of the jobs of some run records ran."""

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._spans: list[tuple[float, float]] = []
        for start, end in sorted((float(r["start"]), end_of(r)) for r in records):
            if self._spans and start <= self._spans[-1][1]:
                self._spans[-1] = (self._spans[-1][0], max(end, self._spans[-1][1]))
            else:
                self._spans.append((start, end))

    def at(self, moment: float) -> float:
        """Returns the seconds with a job at work up to a moment (seconds since 1970)."""
        return sum(max(min(end, moment) - start, 0.0) for start, end in self._spans)

    @property
    def total(self) -> float:
        """The length of all intervals with a job at work, in seconds."""
        return sum(end - start for start, end in self._spans)
