"""Paired tests of every two systems on one item, with Holm's correction.

The resampled test sets and the random exchanges are shared by all systems of
the item, so a system's part of the work is done once, however many others it
is compared with.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from bayling_study.scoring.measurement import Array, Measurement
from bayling_study.scoring.resampling import (
    Plan,
    approximate_randomisation,
    bootstrap_weights,
    exchange_mask,
    holm,
    interval,
    paired_bootstrap,
    resampled,
)

NOT_COMPARED = ("gold-ceiling", "kept-reference")
"""Metrics (by the start of their name) that say nothing about a system."""


class Draws:
    """The resamples and exchanges of one item, made once for each number of segments."""

    def __init__(self, plan: Plan) -> None:
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


def compare_item(systems: dict[str, dict[str, Measurement]], plan: Plan) -> list[dict[str, Any]]:
    """Tests all pairs of systems on one item.

    Args:
        systems: system to its measurements by metric.
        plan: resamples and level; the seed must be the item's own.

    Returns:
        one row for each pair and metric that both have on equally many segments.
    """
    draws = Draws(plan)
    rows: list[dict[str, Any]] = []
    metrics = dict.fromkeys(metric for measured in systems.values() for metric in measured)
    for metric in metrics:
        if metric.startswith(NOT_COMPARED):
            continue
        having = {name: found[metric] for name, found in systems.items() if metric in found}
        rows += _compare_metric(metric, having, draws)
    return rows


def _compare_metric(
    metric: str, systems: dict[str, Measurement], draws: Draws
) -> list[dict[str, Any]]:
    size = len(next(iter(systems.values())).statistics)
    alike = {name: found for name, found in systems.items() if len(found.statistics) == size}
    if len(alike) < 2:
        return []
    weights, mask = draws.of_size(size)
    samples = {name: resampled(found, weights) for name, found in alike.items()}
    kept = {name: mask @ found.statistics for name, found in alike.items()}
    rows = [
        {"metric": metric, "signature": alike[first].signature}
        | {"system_a": first, "system_b": second}
        | _test(alike[first], alike[second], samples[first] - samples[second], draws.plan)
        | {
            "bootstrap": paired_bootstrap(
                samples[first], samples[second], abs(alike[first].value - alike[second].value)
            ),
            "randomisation": approximate_randomisation(
                alike[first], alike[second], (kept[first], kept[second])
            ),
        }
        for first, second in combinations(alike, 2)
    ]
    return _corrected(rows, 1 - draws.plan.confidence)


def _test(
    first: Measurement, second: Measurement, differences: Array, plan: Plan
) -> dict[str, Any]:
    low, high = interval(differences, plan.confidence)
    return {
        "value_a": first.value,
        "value_b": second.value,
        "n": len(first.statistics),
        "difference": first.value - second.value,
        "low": low,
        "high": high,
    }


def _corrected(rows: list[dict[str, Any]], level: float) -> list[dict[str, Any]]:
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


def method_statement(plan: Plan) -> dict[str, Any]:
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
        "significant": "both corrected p-values are below the level",
        "seed": plan.seed,
    }
