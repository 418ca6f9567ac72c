"""What the paired tests found, in sentences: a system with the baseline, 8 bits with their base.

Only what is significant is said of two systems, but where nothing is, that is said, with
the number of tests; so it is of 8 bits, of which one asks whether anything was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayling_study.shared.metrics.aggregates import mean_groups
from bayling_study.shared.metrics.groups import averages
from bayling_study.shared.metrics.measures import is_better
from bayling_study.stages.report.blocks import signed
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.explanations import title_of
from bayling_study.stages.report.heatmap import directions_of
from bayling_study.stages.report.metrics import HEADLINE, counted
from bayling_study.stages.report.significance import difference, is_average, pair_of

PURPOSE = ("satisfaction.follow-up", "constraint-rate", "comet")
"""What a suite is there to measure, before the other headline metrics."""
MOST_NAMED = 4
"""Items that a sentence names with their values."""
AVERAGES = {"trained-average": "trained directions", "zero-shot-average": "untrained directions"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """The tests of a system with another one on one suite."""

    study: Study
    suite: str
    system: str
    other: str
    rows: Sequence[Row]
    groups: Mapping[str, list[str]]
    """The suite's averages over whole parts of it, each with its items."""

    def by(self, metric: str) -> dict[str, Row]:
        """Returns the tests of a metric by item, those of averages too."""
        return {row["item"]: row for row in self.rows if row["metric"] == metric}

    def items(self, metric: str) -> dict[str, Row]:
        """Returns the tests of a metric by item, without averages."""
        return {item: row for item, row in self.by(metric).items() if not is_average(row)}

    @property
    def metrics(self) -> list[str]:
        """The headline metrics that were tested, the suite's purpose first."""
        tested = {row["metric"] for row in self.rows}
        return [metric for metric in dict.fromkeys((*PURPOSE, *HEADLINE)) if metric in tested]

    def better(self, row: Row) -> bool | None:
        """Tells whether the system is significantly better or worse; none where neither."""
        value = difference(row, self.system)[0]
        return is_better(row["metric"], value, 0) if row["significant"] else None

    def change(self, row: Row) -> str:
        """Returns the other system's value and the system's."""
        ends = ("value_b", "value_a") if row["system_a"] == self.system else ("value_a", "value_b")
        return " → ".join(f"{row[end]:.1f}" for end in ends)

    def count(self, rows: Sequence[Row], what: str) -> str:
        """Returns on how many items the system is better and worse; empty where on none."""
        signs = [self.better(row) for row in rows]
        sides = {"better": signs.count(True), "worse": signs.count(False)}
        parts = [f"{side} on {n}" for side, n in sides.items() if n]
        return f"{' and '.join(parts)} of {len(rows)} {what}".rstrip() if parts else ""


def tests_named(study: Study) -> str:
    """Returns the names of the tests and their level."""
    method = study.comparisons["method"]
    names = " and ".join(name.partition(" (")[0] for name in method["tests"])
    return f"{names}, p < {method['level']} after correction"


def outcomes(study: Study) -> list[str]:
    """Returns what was found of each system but those of 8 bits, a sentence a suite."""
    found: list[str] = []
    counts: dict[tuple[str, str], int] = {}
    for side in _sides(study):
        if side.other == _base(study, side.system):
            continue
        pair = side.system, side.other
        if text := _outcome(side):
            found.append(f"{text} ({tests_named(study)}).")
            counts[pair] = -len(study.comparisons["comparisons"])
        counts[pair] = counts.get(pair, 0) + sum(len(side.items(m)) for m in side.metrics)
    silent = [(*pair, n) for pair, n in counts.items() if n > 0]
    return found + [
        f"0 of {n} tests tell {system} from {other} ({tests_named(study)})."
        for system, other, n in silent
    ]


def export_outcomes(study: Study) -> list[str]:
    """Returns whether each 8-bit system lost anything against its base."""
    sides: dict[str, list[Side]] = {}
    for side in _sides(study):
        if side.other == _base(study, side.system):
            sides.setdefault(side.system, []).append(side)
    found = [_export(system, own, tests_named(study)) for system, own in sides.items()]
    for system, report in study.perplexities.items():
        change, base = report["difference"], report["base"]["system"]
        if change["low"] > 0 or change["high"] < 0:
            word = "higher" if change["value"] > 0 else "lower"
            bounds = f"{signed(change['low'], 3)} to {signed(change['high'], 3)}"
            found.append(
                f"The perplexity of {system} is {abs(change['value']):.3f} {word} than that of "
                f"{base}, {report['base']['perplexity']:.3f} (paired bootstrap over "
                f"conversations: {bounds})."
            )
    return found


def _sides(study: Study) -> Iterator[Side]:
    """Yields every pair of systems that was tested on a suite, the better known one second."""
    order = [*study.config.systems]
    groups: dict[tuple[str, frozenset[str]], list[Row]] = {}
    parts: dict[str, dict[str, list[str]]] = {}
    for row in study.comparisons["comparisons"]:
        if pair_of(row) <= {*order}:
            groups.setdefault((row["suite"], pair_of(row)), []).append(row)
    for (suite, pair), rows in groups.items():
        one, other = sorted(pair, key=lambda n: (n != study.baseline, order.index(n)))
        if _base(study, one) == other:  # an 8-bit system that is the baseline
            one, other = other, one
        if suite not in parts and suite in study.config.suites:
            parts[suite] = _groups(study, suite)
        side = Side(study, suite, other, one, rows, parts.get(suite, {}))
        if side.metrics:
            yield side


def _groups(study: Study, suite: str) -> dict[str, list[str]]:
    found = mean_groups(study.config.suites[suite], averages(study.prompts(suite)))
    return {name: items for name, items in found.items() if "." not in name}


def _base(study: Study, system: str) -> str:
    """Returns what an 8-bit system was made from; empty for any other."""
    config = study.config.systems[system]
    return str(getattr(config, "base", "")) if config.kind == "int8" else ""


def _outcome(side: Side) -> str:
    first, *others = side.metrics
    signs = {side.better(row) for metric in side.metrics for row in side.by(metric).values()}
    parts = list(filter(None, [*_parts(side, first)]))
    counts = ((m, side.count([*side.items(m).values()], "")) for m in others)
    more = [f"by {title_of(metric)} {count}" for metric, count in counts if count]
    if not parts and not more:
        return ""
    better = "is better than" if False not in signs else "is worse than"
    verb = "is in part better, in part worse than" if {True, False} <= signs else better
    main = f" by {title_of(first)}: {'; '.join(parts)}" if parts else ""
    return f"{side.system} {verb} {side.other} on {side.suite}{main}" + "".join(
        f"{'; ' if main or place else ', '}{text}" for place, text in enumerate(more)
    )


def _parts(side: Side, metric: str) -> Iterator[str]:
    """Yields what a metric found on each whole part of a suite, or on the suite."""
    rows, items = side.by(metric), side.items(metric)
    noun = "directions" if set(items) == {*directions_of(items)} else "items"
    groups = {name: own for name, own in side.groups.items() if name in rows}
    for name, own in groups.items():
        label = AVERAGES.get(name, f"{noun} of {name}")
        count = side.count([items[item] for item in own if item in items], label)
        mean = rows[name] if side.better(rows[name]) is not None else None
        shown = f"mean {side.change(mean)}" if mean else ""
        yield ", ".join(filter(None, (shown, count or (shown and f"over {len(own)} {label}"))))
    if groups:
        return
    found = [row for row in items.values() if side.better(row) is not None]
    count = side.count([*items.values()], noun) if len(items) > 1 else ""
    if counted(metric) != "segments" and len(found) == len(items) > 1:
        yield f"together {_together(side, metric, items)}, {count}"
    else:
        named = (f"{row['item']} {side.change(row)}" for row in found[:MOST_NAMED])
        values = ", ".join(named) + ", …" * (len(found) > MOST_NAMED)
        yield f"{count} ({values})" if count else values


def _together(side: Side, metric: str, items: Mapping[str, Row]) -> str:
    """Returns the change of a rate over the demands of all items."""
    shares = []
    for system in (side.other, side.system):
        own = (s for s in side.study.by_suite[side.suite] if s.system == system)
        scores = [s for s in own if s.metric == metric and s.item in items]
        shares.append(sum(s.value * s.n for s in scores) / sum(s.n for s in scores))
    return " → ".join(f"{share:.1f}" for share in shares)


def _export(system: str, sides: Sequence[Side], tests: str) -> str:
    other = sides[0].other
    rows = [(s, row) for s in sides for m in s.metrics for row in s.items(m).values()]
    words = {True: "better", False: "worse"}
    found = [(words[sign], s, row) for s, row in rows if (sign := s.better(row)) is not None]
    if not found:
        bound = next(filter(None, map(_bound, sides)), "")
        what = f"0 of {len(rows)} tests tell it from {other}"
        return f"{system} lost no score measurably: {what}{bound} ({tests})."
    named = [
        f"{word} on {s.suite} {row['item']} by {title_of(row['metric'])}, {s.change(row)}"
        for word, s, row in sorted(found, key=lambda one: one[0], reverse=True)
    ]
    more = f"; and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    text = f"{len(found)} of {len(rows)} tests tell {system} from {other}: "
    return f"{text}{'; '.join(named[:MOST_NAMED])}{more} ({tests})."


def _bound(side: Side) -> str:
    """Returns within which bounds the first average of a suite changed; empty without one."""
    first = side.metrics[0]
    row = next((row for row in side.by(first).values() if is_average(row)), None)
    if row is None:
        return ""
    _, low, high = difference(row, side.system)
    where = AVERAGES.get(row["item"], row["item"])
    return f"; mean {title_of(first)} of {where}: {signed(low, 1)} to {signed(high, 1)}"
