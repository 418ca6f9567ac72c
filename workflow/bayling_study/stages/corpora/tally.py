"""Counts what happened to rows, with a few samples of each reason to look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

SAMPLES = 20
"""Rejected rows kept for each reason; ``report.rejected_samples`` of them are shown."""


class CorpusTally:
    """Rows read and rejected, by group and reason.

    The samples of a reason are spread over the data: the first ``SAMPLES`` rows
    whose number within the reason is a power of two or the first.
    """

    def __init__(self) -> None:
        self._read: Counter[str] = Counter()
        self._rejected: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._noted: Counter[str] = Counter()
        self._samples: defaultdict[str, list[Any]] = defaultdict(list)

    def read(self, group: str) -> None:
        """Counts a row that was read."""
        self._read[group] += 1

    def reject(self, group: str, reason: str, sample: Any) -> None:
        """Counts a row that was read and rejected."""
        self._rejected[group][reason] += 1
        self._noted[reason] += 1
        count = self._noted[reason]
        if len(self._samples[reason]) < SAMPLES and count & (count - 1) == 0:
            self._samples[reason].append(sample)

    def report(self) -> dict[str, Any]:
        """Returns counts by group and reason, and the samples, ready for JSON."""
        groups = {
            group: {
                "read": count,
                "kept": count - self._rejected[group].total(),
                "rejected": dict(sorted(self._rejected[group].items())),
            }
            for group, count in sorted(self._read.items())
        }
        return {"groups": groups, "samples": dict(sorted(self._samples.items()))}
