"""What every measure means: which way is better, its scale, and whether it is averaged.

A measure without a row is refused where it would be scored, compared or shown, so
that none is taken for one of which more is better (TER is not).
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from bayling_study.core.errors import StudyError

Direction = Literal["higher", "lower", "neither"]
"""Which values are better; ``neither`` where that depends on something else."""


@dataclass(frozen=True)
class Measure:
    """One measure's meaning; no field has a default.

    Attributes:
        better: which values are better.
        scale: the values that it can take, for readers.
        averaged: whether its plain mean over items is reported; sums of segments are not.
    """

    better: Direction
    scale: str
    averaged: bool

    @property
    def words(self) -> str:
        """Direction and scale, as the report shows them."""
        return f"{self.better} is better; {self.scale}"


PERCENT, POINTS, NUMBER = "0 to 100", "1 to 10", "a number of segments"
PERCENT_MEAN = Measure("higher", PERCENT, averaged=True)
PERCENT_ONLY = Measure("higher", PERCENT, averaged=False)
FAULT = Measure("lower", PERCENT, averaged=False)
FACT = Measure("neither", PERCENT, averaged=False)

MEASURES: dict[str, Measure] = {
    **dict.fromkeys(("bleu", "bleu-*", "spbleu", "chrf2", "chrf++"), PERCENT_MEAN),
    **dict.fromkeys(("accuracy", "accuracy-*"), PERCENT_MEAN),
    **dict.fromkeys(("comet", "comet-*"), Measure("higher", "0 to 100, about", averaged=True)),
    "off-target": Measure("lower", PERCENT, averaged=True),
    "off-target-agreement": Measure("neither", PERCENT, averaged=True),
    **dict.fromkeys(("constraint-rate", "constraint-rate-folded", "constraint-all"), PERCENT_ONLY),
    **dict.fromkeys(("satisfaction", "satisfaction-all"), PERCENT_ONLY),
    **dict.fromkeys(("acc-mutual-info", "exact-match"), PERCENT_ONLY),  # the harness's marks
    **dict.fromkeys(("unparseable", "unjudged"), FAULT),
    # what a right revision keeps is the references' share, neither none nor all
    **dict.fromkeys(("kept", "kept-reference", "gold-ceiling"), FACT),
    **dict.fromkeys(("consistent-share", "first-shown-share"), FACT),  # of the judge
    **dict.fromkeys(("win-share", "not-worse-share", "first-place-share"), PERCENT_ONLY),
    "win": Measure("higher", NUMBER, averaged=False),
    "tie": Measure("neither", NUMBER, averaged=False),  # depends on whom they were taken from
    "loss": Measure("lower", NUMBER, averaged=False),
    "score-sum": Measure("higher", "a sum of points", averaged=False),
    "score-sum-opponent": Measure("lower", "a sum of points", averaged=False),
    "score-ratio": Measure("higher", "from 0, 100 for equal ones", averaged=False),
    "mean": Measure("higher", POINTS, averaged=False),
    "mean-opponent": Measure("lower", POINTS, averaged=False),
    "mean-rank": Measure("lower", "from 1", averaged=False),
}
"""Name of a measure, or the start of names and ``*``, to its meaning. The names are those of
score files; a part of a measure (``satisfaction.turn-2``) has the meaning of the whole."""


def meaning(metric: str) -> Measure:
    """Returns what a metric of a score file means.

    Raises:
        StudyError: its measure has no row.
    """
    name = metric.partition(".")[0]
    if name in MEASURES:
        return MEASURES[name]
    found = [row for start, row in MEASURES.items() if "*" in start and fnmatchcase(name, start)]
    if not found:
        raise StudyError(
            f"it is not stated whether a higher {name!r} is better",
            where=metric,
            fix="a row of MEASURES in shared/metrics/measures.py",
        )
    return found[0]


def is_better(metric: str, value: float, other: float) -> bool | None:
    """Tells whether a value is better than another one; none where neither direction is."""
    better = meaning(metric).better
    return None if better == "neither" else (value > other) == (better == "higher")


def is_averaged(metric: str) -> bool:
    """Tells whether a metric's mean over items is reported; not of its parts (``.``)."""
    return meaning(metric).averaged and "." not in metric
