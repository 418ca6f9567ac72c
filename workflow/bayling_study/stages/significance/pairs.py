"""Paired tests of two systems on one item and on averages over items. The resampled test sets and
the random exchanges are shared by all systems and metrics of the item; those of an average are the
means of its items', which are independent of each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayling_study.core.records import around
from bayling_study.shared.metrics import resampling
from bayling_study.shared.metrics.aggregates import some_of
from bayling_study.shared.metrics.measurement import Array, Measurement
from bayling_study.shared.metrics.resampling import Resampling

NOT_COMPARED = ("gold-ceiling", "kept-reference")
"""Metrics (by the start of their name) that say nothing about a system."""
Key = tuple[str, str]
"""A metric and a system, or two systems."""


@dataclass(frozen=True)
class PairTest:
    """Two systems on one item and metric, with their ``values`` on all its ``n`` segments.
    ``resamples`` are the differences of the two (first minus second) on each resampled test set,
    NaN where one has nothing to divide by; ``exchanges`` those after each random exchange."""

    metric: str
    signature: str
    systems: tuple[str, str]
    values: tuple[float, float]
    n: int
    resamples: Array
    exchanges: Array

    @property
    def difference(self) -> float:
        """The first system's value minus the second's."""
        return self.values[0] - self.values[1]

    def row(self, plan: Resampling) -> dict[str, Any]:
        """Returns the row of the comparisons file, uncorrected (``StudyError`` without numbers)."""
        where = f"{self.metric} of {' and '.join(self.systems)}"
        resampling.finite(self.values, where)
        drawn = self.resamples, self.exchanges
        resamples, exchanges = (resampling.defined(values, where) for values in drawn)
        low, high = resampling.interval(resamples, plan.confidence)
        size = abs(self.difference)
        return {
            "metric": self.metric,
            "signature": self.signature,
            "system_a": self.systems[0],
            "system_b": self.systems[1],
            "value_a": self.values[0],
            "value_b": self.values[1],
            "n": self.n,
            "difference": self.difference,
            **around(self.difference, low, high),
            "bootstrap": resampling.paired_bootstrap(resamples, size),
            "randomisation": resampling.p_value(np.abs(exchanges), size),
            "samples": min(len(resamples), len(exchanges)),
        }


def item_tests(
    systems: Mapping[str, Mapping[str, Measurement]], plan: Resampling, pairs: Sequence[Key]
) -> list[PairTest]:
    """Tests pairs of systems on one item, for which ``plan`` has a seed of its own: each metric
    (``systems`` have their measurements by it) that both have on equally many segments."""
    measured = {
        (metric, name): result
        for name in dict.fromkeys(name for pair in pairs for name in pair)
        for metric, result in systems[name].items()
        if not metric.startswith(NOT_COMPARED)
    }
    draws = resampling.drawn_counts, resampling.drawn_mask
    bootstrap, kept = (resampling.all_sums(measured, draw, plan) for draw in draws)
    resamples = {key: found.combine(bootstrap[key]) for key, found in measured.items()}
    tests = []
    for metric in dict.fromkeys(metric for metric, _ in measured):
        for pair in pairs:
            one, other = ((metric, name) for name in pair)
            if not {one, other} <= measured.keys():
                continue
            first, second = measured[one], measured[other]
            if len(first.statistics) != len(second.statistics):
                continue
            what = metric, first.signature, pair, (first.value, second.value)
            exchanges = resampling.exchanged(first, second, (kept[one], kept[other]))
            drawn = resamples[one] - resamples[other], exchanges
            tests.append(PairTest(*what, len(first.statistics), *drawn))
    return tests


class Average:
    """The plain mean over items, summed up item by item: all resamples would fill the memory. A
    metric that no pair has on some item (COMET's, by its language) is averaged over the others."""

    def __init__(self) -> None:
        self.items = 0
        self._having: Counter[str] = Counter()
        self._members: dict[tuple[str, Key], list[PairTest]] = {}
        self._sums: dict[tuple[str, Key], tuple[Array, Array]] = {}

    def add(self, tests: Sequence[PairTest]) -> None:
        """Takes the tests of one more item."""
        self.items += 1
        self._having.update({test.metric for test in tests})
        for test in tests:
            key, new = (test.metric, test.systems), (test.resamples, test.exchanges)
            known = self._sums.get(key)
            self._sums[key] = (known[0] + new[0], known[1] + new[1]) if known else new
            bare = replace(test, resamples=np.empty(0), exchanges=np.empty(0))
            self._members.setdefault(key, []).append(bare)

    def tests(self) -> list[PairTest]:
        """Returns the tests of the mean, for pairs that all the items have."""
        return [
            self._mean(members, *self._sums[key])
            for key, members in self._members.items()
            if len(members) == self._having[key[0]]
        ]

    def _mean(self, members: list[PairTest], resamples: Array, exchanges: Array) -> PairTest:
        signatures = dict.fromkeys(member.signature for member in members)
        first, second = (float(np.mean([m.values[side] for m in members])) for side in (0, 1))
        return replace(
            members[0],
            signature=f"mean of {some_of(len(members), self.items)}|{' & '.join(signatures)}",
            values=(first, second),
            n=sum(member.n for member in members),
            resamples=resamples / len(members),
            exchanges=exchanges / len(members),
        )
