"""Marks of significant differences, read from the comparisons file. A mark needs both tests (paired
bootstrap and approximate randomisation) below the level after Holm's correction, which is what
``significant`` says there."""

from collections.abc import Iterable, Mapping
from typing import Any

from bayling_study.core.records import Score
from bayling_study.shared.metrics.measures import is_better
from bayling_study.stages.report.blocks import Cell, signed

COMPARISONS = "../significance/comparisons.json"
BETTER, WORSE = "▲", "▼"
WORDS = {BETTER: "better", WORSE: "worse"}
MEAN = "mean of "  # how the signature of a plain mean over items begins
KEYS = ("suite", "item", "metric")


class Significance:
    """The rows of ``comparisons.json`` by what was compared, and the system to compare with."""

    def __init__(self, comparisons: Iterable[Mapping[str, Any]], baseline: str) -> None:
        self.baseline = baseline
        self._rows = {(*(row[key] for key in KEYS), pair_of(row)): row for row in comparisons}

    def between(self, score: Score, other: str = "") -> Mapping[str, Any] | None:
        """Returns the test of a score's system against another one (the baseline), or none."""
        pair = frozenset({score.system, other or self.baseline})
        return self._rows.get((score.suite, score.item, score.metric, pair))

    def apart(self, score: Score, others: Iterable[str]) -> bool:
        """Tells whether tests tell a score's system from each of some others; not from none."""
        tests = [self.between(score, other) for other in others if other != score.system]
        return bool(tests) and all(test is not None and test["significant"] for test in tests)

    def samples(self, suite: str) -> str:
        """Returns how many resamples the tests of a suite had, in words; empty without tests."""
        found = {row["samples"] for key, row in self._rows.items() if key[0] == suite}
        return " to ".join(f"{n:,}" for n in sorted({min(found), max(found)})) if found else ""

    def mark(self, score: Score) -> str:
        """Returns ``▲`` or ``▼`` where a system is significantly better or worse than it."""
        row = self.between(score)
        return mark_of(row, score.system) if row else ""


def is_average(row: Mapping[str, Any]) -> bool:
    """Tells whether a test is of an average over items, no row of a suite's table."""
    return str(row.get("signature", "")).startswith(MEAN)


def pair_of(row: Mapping[str, Any]) -> frozenset[str]:
    """Returns the two systems that a test compares."""
    return frozenset({row["system_a"], row["system_b"]})


def mark_of(row: Mapping[str, Any], system: str) -> str:
    """Returns ``▲`` or ``▼`` where a test finds a system better or worse than the other one."""
    better = is_better(row["metric"], difference(row, system)[0], 0) if row["significant"] else None
    return "" if better is None else BETTER if better else WORSE


def difference(row: Mapping[str, Any], system: str) -> tuple[float, float, float]:
    """Returns a test's difference, a system minus the other one, and the interval's bounds."""
    sign = 1 if row["system_a"] == system else -1
    low, high = sorted((sign * row["low"], sign * row["high"]))
    return sign * row["difference"], low, high


def difference_cell(row: Mapping[str, Any], system: str) -> Cell:
    """Returns the cell of a test's difference, its interval below, with a link to the tests."""
    value, low, high = difference(row, system)
    interval = f"{signed(low)} to {signed(high)}"
    return Cell(signed(value), detail=interval, number=True, link=COMPARISONS)
