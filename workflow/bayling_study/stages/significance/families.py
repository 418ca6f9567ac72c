"""Which comparisons the report's tables show, and the corrections for their number. Holm's
correction is over the comparisons of one table on one item and metric: every system with the
baseline, and every one in 8 bits or another precision with its base; all pairs where the baseline
has no answers. Many items of a suite are a second reason for marks by chance, which
``correct_table`` answers."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from operator import itemgetter
from typing import Any

from bayling_study.core.records import grouped
from bayling_study.core.tables import beside
from bayling_study.shared.metrics.resampling import Resampling, benjamini_hochberg, holm
from bayling_study.stages.significance.pairs import PairTest

BASELINE, EXPORT, PAIRS = "baseline", "export", "pairs"
"""Families: the suites' tables, those of other forms, and all pairs without a baseline."""
Pair = tuple[str, str]
Row = dict[str, Any]
STATEMENT: Row = beside(__file__)


@dataclass(frozen=True)
class Shown:
    """The pairs of systems that the report shows: all others with the ``baseline``, and those in 8
    bits or another precision with the systems that they are such a form of (``bases``)."""

    baseline: str
    bases: Mapping[str, str] = field(default_factory=dict)

    def family(self, first: str, second: str) -> str:
        """Returns the family of a pair; one in two tables counts in the larger, the baseline's."""
        if self.baseline in (first, second):
            return BASELINE
        made = (self.bases.get(first) == second, self.bases.get(second) == first)
        return EXPORT if any(made) else PAIRS

    def pairs(self, systems: Collection[str]) -> list[Pair]:
        """Returns the pairs to test among the systems that answered an item, in their order."""
        alone = self.baseline not in systems
        return [pair for pair in combinations(systems, 2) if alone or self.family(*pair) != PAIRS]

    def enough(self, plan: Resampling, items: Iterable[Collection[str]]) -> Resampling:
        """Returns the plan with samples enough, ``plan`` or more, that one difference in a suite
        can be marked; ``items`` has the systems that answered each of its items."""
        compared = [found for systems in items if (found := self.pairs(systems))]
        sizes = [n for f in compared for n in Counter(self.family(*p) for p in f).values()]
        return plan.enough_for(max(sizes, default=1) * max(1, len(compared)))


def corrected(tests: Iterable[PairTest], plan: Resampling, shown: Shown) -> list[Row]:
    """Returns the rows of one item, corrected by Holm over the family's pairs of each metric."""
    rows = [test.row(plan) | {"family": shown.family(*test.systems)} for test in tests]
    for members in grouped(rows, itemgetter("metric", "family")).values():
        for test in ("bootstrap", "randomisation"):
            for row, value in zip(members, holm([row[test] for row in members]), strict=True):
                row[f"{test}_adjusted"] = value
    for row in rows:
        row["p_adjusted"] = max(row["bootstrap_adjusted"], row["randomisation_adjusted"])
        row["significant"] = row["p_adjusted"] < plan.level
    return rows


def correct_table(rows: Iterable[Row], plan: Resampling) -> list[Row]:
    """Adds ``q_table``, and takes the mark from rows that the whole table does not bear out: one of
    many directions would show false marks by their number. The family is all items of a suite
    (``rows``, without averages), for one metric and pair of systems."""
    result = [dict(row) for row in rows]
    for members in grouped(result, itemgetter("metric", "system_a", "system_b")).values():
        values = benjamini_hochberg([row["p_adjusted"] for row in members])
        for row, value in zip(members, values, strict=True):
            row |= {"q_table": value, "significant": row["significant"] and value < plan.level}
    return result


def method_statement(plan: Resampling, shown: Shown) -> Row:
    """Returns what a reader must know about the tests."""
    known = {"baseline": shown.baseline, "samples": plan.samples, "level": plan.level}
    correction = STATEMENT["correction"].format(baseline=shown.baseline)
    return STATEMENT | known | {"correction": correction, "seed": plan.seed}
