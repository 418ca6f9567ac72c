"""Marks of significant differences, read from the comparisons file.

A mark needs both tests (paired bootstrap and approximate randomisation) below
the level after Holm's correction, which is what ``significant`` says there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bayling_study.core.records import Score

BETTER, WORSE = "▲", "▼"


class Significance:
    """The paired tests of a study, by what was compared.

    Args:
        comparisons: rows of ``comparisons.json``.
        baseline: the system against which the others are marked.
    """

    def __init__(self, comparisons: Iterable[Mapping[str, Any]], baseline: str) -> None:
        self.baseline = baseline
        self._rows = {
            (
                row["suite"],
                row["item"],
                row["metric"],
                frozenset({row["system_a"], row["system_b"]}),
            ): row
            for row in comparisons
        }

    def between(self, score: Score) -> Mapping[str, Any] | None:
        """Returns the test of a score's system against the baseline, or none."""
        pair = frozenset({score.system, self.baseline})
        return self._rows.get((score.suite, score.item, score.metric, pair))

    def mark(self, score: Score, lower_is_better: bool = False) -> str:
        """Returns ``▲`` or ``▼`` where a system differs significantly from the baseline."""
        row = self.between(score)
        if row is None or score.system == self.baseline or not row["significant"]:
            return ""
        first = row["system_a"] == score.system
        larger = (row["difference"] > 0) == first
        return BETTER if larger != lower_is_better else WORSE
