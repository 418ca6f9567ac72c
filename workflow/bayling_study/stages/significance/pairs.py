"""Paired tests of every two systems on one item and on averages over items, with corrections.

The resampled test sets and the random exchanges are shared by all systems of
the item, so a system's part of the work is done once, however many others it
is compared with. An average over items is tested with the means of its items'
resamples and exchanges, which are independent of each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from bayling_study.core.records import around
from bayling_study.shared.metrics.aggregates import some_of
from bayling_study.shared.metrics.measurement import Array, Measurement
from bayling_study.shared.metrics.resampling import (
    Resampling,
    benjamini_hochberg,
    bootstrap_weights,
    exchange_mask,
    exchanged,
    finite,
    holm,
    interval,
    p_value,
    paired_bootstrap,
    resampled,
)

NOT_COMPARED = ("gold-ceiling", "kept-reference")
"""Metrics (by the start of their name) that say nothing about a system."""


@dataclass(frozen=True)
class PairTest:
    """Two systems on one item and metric.

    Attributes:
        values: the metric of the two on all segments.
        n: number of segments.
        resamples: difference of the two (first minus second) on each resampled test set.
        exchanges: their difference after each random exchange of answers.
    """

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
        """Returns the row of the comparisons file, before any correction; all must be finite."""
        for values in (self.values, self.resamples, self.exchanges):
            finite(values, f"{self.metric} of {' and '.join(self.systems)}")
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
            **around(self.difference, *interval(self.resamples, plan.confidence)),
            "bootstrap": paired_bootstrap(self.resamples, size),
            "randomisation": p_value(np.abs(self.exchanges), size),
        }


class Draws:
    """The resamples and exchanges of one item, made once for each number of segments."""

    def __init__(self, plan: Resampling) -> None:
        self.plan = plan
        self._made: dict[int, tuple[Array, Array]] = {}

    def of_size(self, segments: int) -> tuple[Array, Array]:
        """Returns bootstrap weights and exchange mask, both of shape (samples, segments)."""
        if segments not in self._made:
            self._made[segments] = (
                bootstrap_weights(segments, self.plan.samples, self.plan.seed),
                exchange_mask(segments, self.plan.samples, self.plan.seed),
            )
        return self._made[segments]


def item_tests(systems: dict[str, dict[str, Measurement]], plan: Resampling) -> list[PairTest]:
    """Tests all pairs of systems on one item.

    Args:
        systems: system to its measurements by metric.
        plan: resamples and level; the seed must be the item's own.

    Returns:
        one test for each pair and metric that both have on equally many segments.
    """
    draws = Draws(plan)
    tests: list[PairTest] = []
    metrics = dict.fromkeys(metric for measured in systems.values() for metric in measured)
    for metric in metrics:
        if not metric.startswith(NOT_COMPARED):
            having = {name: found[metric] for name, found in systems.items() if metric in found}
            tests += _metric_tests(metric, having, draws)
    return tests


def _metric_tests(metric: str, systems: dict[str, Measurement], draws: Draws) -> list[PairTest]:
    size = len(next(iter(systems.values())).statistics)
    alike = {name: found for name, found in systems.items() if len(found.statistics) == size}
    if len(alike) < 2:
        return []
    weights, mask = draws.of_size(size)
    samples = {name: resampled(found, weights) for name, found in alike.items()}
    kept = {name: mask @ found.statistics for name, found in alike.items()}
    return [
        PairTest(
            metric,
            alike[first].signature,
            (first, second),
            (alike[first].value, alike[second].value),
            size,
            samples[first] - samples[second],
            exchanged(alike[first], alike[second], (kept[first], kept[second])),
        )
        for first, second in combinations(alike, 2)
    ]


def average_tests(items: Sequence[Sequence[PairTest]]) -> list[PairTest]:
    """Tests the plain means over items, for pairs that all the items have.

    A metric that no pair has on some item (COMET on a language that it does not
    know) is averaged over the others.

    Args:
        items: the tests of each item of the average.
    """
    having = Counter(metric for tests in items for metric in {test.metric for test in tests})
    found: dict[tuple[str, tuple[str, str]], list[PairTest]] = {}
    for tests in items:
        for test in tests:
            found.setdefault((test.metric, test.systems), []).append(test)
    return [
        _average(rows, some_of(len(rows), len(items)))
        for (metric, _), rows in found.items()
        if len(rows) == having[metric]
    ]


def _average(members: list[PairTest], what: str) -> PairTest:
    signatures = dict.fromkeys(member.signature for member in members)
    first, second = (float(np.mean([m.values[side] for m in members])) for side in (0, 1))
    return PairTest(
        members[0].metric,
        f"mean of {what}|{' & '.join(signatures)}",
        members[0].systems,
        (first, second),
        sum(member.n for member in members),
        np.mean([member.resamples for member in members], axis=0),
        np.mean([member.exchanges for member in members], axis=0),
    )


def corrected(tests: Iterable[PairTest], plan: Resampling) -> list[dict[str, Any]]:
    """Returns the rows of one item, corrected by Holm over the pairs of each metric."""
    families: dict[str, list[dict[str, Any]]] = {}
    for test in tests:
        families.setdefault(test.metric, []).append(test.row(plan))
    return [row for rows in families.values() for row in _holm(rows, 1 - plan.confidence)]


def _holm(rows: list[dict[str, Any]], level: float) -> list[dict[str, Any]]:
    """Adds the corrected p-values of a family and whether both tests pass."""
    bootstrap = holm([row["bootstrap"] for row in rows])
    randomisation = holm([row["randomisation"] for row in rows])
    return [
        row
        | {
            "bootstrap_adjusted": one,
            "randomisation_adjusted": other,
            "p_adjusted": max(one, other),
            "significant": max(one, other) < level,
        }
        for row, one, other in zip(rows, bootstrap, randomisation, strict=True)
    ]


def correct_table(rows: list[dict[str, Any]], plan: Resampling) -> list[dict[str, Any]]:
    """Adds ``q_table``, and takes the mark from rows that the whole table does not bear out.

    A table of many directions would otherwise show false marks by their number
    alone. The family is all items of a suite, for one metric and pair of systems.

    Args:
        rows: the rows of all items of one suite, without averages.
        plan: gives the level.
    """
    families: dict[tuple[str, str, str], list[int]] = {}
    for index, row in enumerate(rows):
        key = (row["metric"], row["system_a"], row["system_b"])
        families.setdefault(key, []).append(index)
    result = list(rows)
    for members in families.values():
        values = benjamini_hochberg([rows[index]["p_adjusted"] for index in members])
        for index, value in zip(members, values, strict=True):
            sound = rows[index]["significant"] and value < 1 - plan.confidence
            result[index] = rows[index] | {"q_table": value, "significant": sound}
    return result


def method_statement(plan: Resampling) -> dict[str, Any]:
    """Returns what a reader must know about the tests."""
    return {
        "tests": [
            "paired bootstrap (Koehn 2004), two-sided",
            "approximate randomisation (Riezler & Maxwell 2005), two-sided",
        ],
        "samples": plan.samples,
        "level": round(1 - plan.confidence, 10),
        "p_value": "(c + 1) / (samples + 1), as in sacreBLEU 2.6",
        "interval": "percentile bootstrap of the difference",
        "correction": "Holm (1979), over all pairs of systems of one item and metric",
        "table": "Benjamini & Hochberg (1995), over all items of a suite, for each metric and "
        "pair of systems (q_table); averages over items are families of their own",
        "averages": "means of the items' independent resamples and exchanges",
        "significant": "both corrected p-values and, for items, q_table are below the level",
        "seed": plan.seed,
    }
