"""What the report knows about metrics: which come first, how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bayling_study.core.records import Score
from bayling_study.stages.report.blocks import Cell, signed
from bayling_study.stages.report.collect import Study

HEADLINE = (
    "chrf2",
    "bleu",
    "spbleu",
    "comet",
    "comet-embedded",
    "constraint-rate",
    "satisfaction",
    "accuracy",
    "win",
    "tie",
    "loss",
    "score-ratio",
)
"""Metrics of the first page and of ``make study``'s table, in this order."""
COMPARISONS = "../significance/comparisons.json"
LOWER_IS_BETTER = frozenset({"unparseable", "unjudged", "loss", "off-target", "mean-rank"})
"""Metrics of which a small value is good; all others are better when larger."""
NEITHER = frozenset({"tie"})
"""But for these: whether more ties are good depends on whom they were taken from."""


def headline(metrics: Iterable[str]) -> list[str]:
    """Returns the metrics that come first, or the first one where none is known."""
    found = list(dict.fromkeys(metrics))
    return [metric for metric in HEADLINE if metric in found] or found[:1]


def score_row(
    study: Study, scores: dict[str, Score], systems: Iterable[str], decimals: int = 2
) -> list[Cell]:
    """Returns the cells of one item and metric, one per system.

    The best value is bold unless all are written alike or none counts as better; a mark
    tells where the paired tests found a difference from the baseline.

    Args:
        study: gives the paired tests.
        scores: the scores by system; a system without one gets a dash.
        systems: the columns.
        decimals: of the values and their intervals.
    """
    shown = {name: f"{score.value:.{decimals}f}" for name, score in scores.items()}
    lower = any(score.metric in LOWER_IS_BETTER for score in scores.values())
    order = sorted(scores.values(), key=lambda score: score.value, reverse=not lower)
    ranked = len(set(shown.values())) > 1 and order[0].metric not in NEITHER
    best = shown[order[0].system] if ranked else None
    return [
        score_cell(study, scores[name], shown[name], shown[name] == best, decimals)
        if name in scores
        else Cell("–", number=True)
        for name in systems
    ]


def score_cell(study: Study, score: Score, shown: str, best: bool, decimals: int) -> Cell:
    """Returns a score's cell: value and mark, interval below, link to its file."""
    lower, neither = score.metric in LOWER_IS_BETTER, score.metric in NEITHER
    mark = "" if neither else study.significance.mark(score, lower)
    return Cell(
        f"{shown} {mark}".rstrip(),
        detail=interval(score, decimals),
        strong=best,
        link=study.link(score),
        number=True,
        hint="\n".join(filter(None, (score.signature, score.method, score.note))),
    )


def interval(score: Score, decimals: int = 2) -> str:
    """Returns a score's interval, or nothing where it has none."""
    if score.low is None or score.high is None:
        return ""
    return f"{score.low:.{decimals}f} to {score.high:.{decimals}f}"


def difference_cell(test: Mapping[str, Any], system: str) -> Cell:
    """Returns a system's score minus the other one's of a paired test, with its interval."""
    sign = 1 if test["system_a"] == system else -1
    low, high = sorted((sign * test["low"], sign * test["high"]))
    return Cell(
        signed(sign * test["difference"]),
        detail=f"{signed(low)} to {signed(high)}",
        number=True,
        link=COMPARISONS,
    )
