"""What every measure means: which way is better, its scale, and whether it is averaged. What has no
row in ``measures.tsv`` and no ``@metric`` is not shown: more TER is not better."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.config.names import metrics
from bayling_study.core.errors import StudyError
from bayling_study.core.tables import read_table

TABLE = Path(__file__).with_suffix(".tsv")


class Measure(NamedTuple):
    """Which values are better (``higher``, ``lower`` or ``neither``), which there are, and
    whether the plain mean over items is reported; nothing has a default."""

    better: str
    scale: str
    averaged: bool


def _stated(where: str, row: dict[str, Any]) -> Measure:
    better, scale, averaged = (row.get(name) for name in ("better", "scale", "averaged"))
    averaged = {"yes": True, "no": False}.get(str(averaged), averaged)
    if better not in ("higher", "lower", "neither") or averaged not in (True, False) or not scale:
        raise StudyError("it states no direction or scale, or not whether to average", where=where)
    return Measure(better, scale, averaged)


_ROWS = read_table(TABLE, ("measure", "better", "scale", "averaged", "remark"))
MEASURES = {row["measure"]: _stated(where, row) for where, row in _ROWS}
"""Name of a measure in score files, or a pattern of names (``bleu-*``), to its meaning."""


def meaning(metric: str) -> Measure:
    """Returns what a metric means (``StudyError`` if its measure has no row); a part
    (``satisfaction.turn-2``) means what the whole does."""
    name = metric.partition(".")[0]
    for known, measure in MEASURES.items():
        if fnmatchcase(name, known):
            return measure
    if name in (stated := metrics()):
        return _stated(f"@metric({name!r})", {"averaged": True} | stated[name])
    what = f"it is not stated whether a higher {name!r} is better"
    raise StudyError(what, where=metric, fix=f"a row of shared/metrics/{TABLE.name}")


def is_better(metric: str, value: float, other: float) -> bool | None:
    """Tells whether a value is better than another one; none where neither direction is."""
    better = meaning(metric).better
    return None if better == "neither" else (value > other) == (better == "higher")


def is_averaged(metric: str) -> bool:
    """Tells whether a metric's mean over items is reported; not of its parts (``.``)."""
    return meaning(metric).averaged and "." not in metric


def check_own(names: Iterable[str], where: str) -> None:
    """Refuses (``StudyError``) further metrics that do not state their meaning, or bear a known
    name."""
    for name in names:
        if any(fnmatchcase(name, known) for known in MEASURES):
            what = f"{name!r} is a metric of every study"
            raise StudyError(what, where=where, fix=f"@metric of another name than {name!r}")
        meaning(name)
