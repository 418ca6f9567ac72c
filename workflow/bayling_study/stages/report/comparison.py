"""Methods beside each other: the difference of each to the reference, and what each cost. Better or
worse is a method only where the paired tests hold after Holm's correction over the methods shown,
and where the difference has the same sign in each of the seeds. A column is one metric on one item
or average of a suite; nothing is averaged over suites."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from bayling_study.config.comparison import ComparisonSection, seeded, trainings
from bayling_study.config.systems import TunedSystem
from bayling_study.core.records import Score
from bayling_study.core.tables import beside
from bayling_study.shared.metrics.measures import is_better
from bayling_study.shared.metrics.resampling import holm
from bayling_study.stages.report import figures
from bayling_study.stages.report.ablations import is_average
from bayling_study.stages.report.blocks import Cell, Figure, PageSection, Table, number, signed
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.cost import seconds_of
from bayling_study.stages.report.metrics import explain, headline, interval, title_of
from bayling_study.stages.report.significance import BETTER, WORSE, difference

Column = tuple[str, str, str]
"""Suite, metric and item."""
TESTS = ("bootstrap", "randomisation")
STAGES = ("synthesis", "tuning", "generation")
_WORDS: dict[str, Any] = beside(__file__)
COST: dict[str, str] = _WORDS["cost"]
"""Column to the metric of a training's record."""


class Finding(NamedTuple):
    """A method's difference to the reference in one column: in each of the ``seeds`` that both have
    answers of, the first one first, with the interval of that one over segments. That, and ``p`` of
    the paired tests after Holm's correction over the methods shown, are none without these tests.
    ``sign``: 1 better, -1 worse, 0 where tests or seeds do not bear out either."""

    seeds: list[float]
    low: float | None
    high: float | None
    p: float | None
    sign: int

    @property
    def mark(self) -> str:
        """``▲`` better, ``▼`` worse, or nothing."""
        return {1: BETTER, -1: WORSE}.get(self.sign, "")


class Compared:
    """The scores and tests of a study's comparison."""

    def __init__(self, study: Study, section: ComparisonSection) -> None:
        self.study, self.section = study, section
        self._scores = {(s.suite, s.metric, s.item, s.system): s for s in study.scores}

    @cached_property
    def columns(self) -> list[Column]:
        """The averages of each suite's headline metrics; of a suite without any, its items."""
        shown = set(self.section.shown)
        found: list[Column] = []
        for suite, every in self.study.by_suite.items():
            own = [score for score in every if score.system in shown]
            for metric in headline(score.metric for score in own):
                scores = [score for score in own if score.metric == metric]
                whole = [score for score in scores if is_average(score)] or scores
                found += dict.fromkeys((suite, metric, score.item) for score in whole)
        return found

    def score(self, column: Column, system: str) -> Score | None:
        """Returns a system's score in a column, if it has one."""
        return self._scores.get((*column, system))

    def findings(self, column: Column) -> dict[str, Finding]:
        """Returns the finding of each method that was scored in a column."""
        methods, reference = self.section.methods, self.section.reference
        seeds = {name: found for name in methods if (found := self._differences(column, name))}
        between = self.study.significance.between
        tests = {name: between(self._scores[*column, name], reference) for name in seeds}
        known = {name: row for name, row in tests.items() if row}
        both = [holm([row[key] for row in known.values()]) for key in TESTS]
        p = dict(zip(known, map(max, *both), strict=True))
        level = self.study.comparisons["method"]["level"]
        findings = {}
        for name, row in tests.items():
            low, high = difference(row, name)[1:] if row else (None, None)
            better = {is_better(column[1], one, 0) if one else None for one in seeds[name]}
            alike = len(seeds[name]) == self.section.seeds and len(better) == 1
            holds = alike and None not in better and name in p and p[name] < level
            sign = (1 if better == {True} else -1) * holds
            findings[name] = Finding(seeds[name], low, high, p.get(name), sign)
        return findings

    def _differences(self, column: Column, name: str) -> list[float]:
        """Returns a method minus the reference, of each seed that both have; the first leads."""
        found = []
        for seed in range(1, self.section.seeds + 1):
            own = self.score(column, self._at(name, seed))
            other = self.score(column, self._at(self.section.reference, seed))
            if own and other:
                found.append(own.value - other.value)
            elif seed == 1:
                return []
        return found

    def _at(self, name: str, seed: int) -> str:
        """Returns a system's copy of a seed; itself where it has none: it is not trained."""
        return copy if (copy := seeded(name, seed)) in self.study.config.systems else name


def comparison_sections(study: Study) -> list[PageSection]:
    """Returns the chapters of a comparison's figure and of its tables; none without one."""
    page = PageSection("comparison", "Methods under one budget")
    if (section := study.config.comparison) is None:
        return []
    compared = Compared(study, section)
    seeds = f"each of {section.seeds} seeds" if section.seeds > 1 else "the one seed"
    chance = "" if section.seeds > 1 else " One seed says nothing of chance in training."
    about = {"section": section, "count": len(section.methods), "seeds": seeds}
    page.text = _WORDS["text"].format(better=BETTER, worse=WORSE, **about) + chance
    found = {_title(column): compared.findings(column) for column in compared.columns}
    panels: dict[str, dict[str, figures.Difference]] = {
        title: {name: (one.seeds, one.low, one.high, one.mark) for name, one in own.items()}
        for title, own in found.items()
        if own
    }
    if panels:
        svg = figures.differences(section.methods, panels)
        caption = "A point: one seed; the line: the interval over segments of the first"
        page.figures.append(Figure("comparison", f"Minus {section.reference}", svg, caption))
    tables = [_table(compared), _costs(study, section)]
    return [page, PageSection("methods", "Methods: differences and costs", tables=tables)]


def comparison_sentences(study: Study, section: ComparisonSection) -> Iterator[str]:
    """Yields in what each method is better and worse than the reference."""
    compared = Compared(study, section)
    findings = {column: compared.findings(column) for column in compared.columns}
    count, seeds = len(section.methods), section.seeds
    how = f"paired tests after correction over {count} method{'s' * (count > 1)}"
    how += f", and in each of the {seeds} seeds" if seeds > 1 else ", of one training each"
    for name in section.methods:
        own = {_title(column): found[name] for column, found in findings.items() if name in found}
        for word, sign in (("better", 1), ("worse", -1)):
            if held := [title for title, found in own.items() if found.sign == sign]:
                where = f"in {len(held)} of {len(own)} columns: {'; '.join(held)}"
                yield f"{name} is {word} than {section.reference} {where} ({how})."
        if own and not any(found.sign for found in own.values()):
            yield f"{name} is neither better nor worse than {section.reference} in any of "\
                f"{len(own)} columns ({how})."  # fmt: skip


def _title(column: Column) -> str:
    suite, metric, item = column
    return f"{suite}: {title_of(metric)}, {item}"


def _table(compared: Compared) -> Table:
    """Returns the reference's scores and, a row a method, the differences to them."""
    reference, columns = compared.section.reference, compared.columns
    findings = {column: compared.findings(column) for column in columns}
    own = [compared.score(column, reference) for column in columns]
    first = [Cell(f"{s.value:.2f}", detail=interval(s), number=True) if s else number(None)
             for s in own]  # fmt: skip
    rows = [[f"{reference} (its score)", *first]]
    for name in compared.section.methods:
        rows.append([name, *(_cell(findings[column].get(name)) for column in columns)])
    about = {_title(column): explain(column[1]) for column in columns}
    title, note = f"Differences to {reference}", "Below each: its interval over segments, and seeds"
    return Table("comparison", title, ["method", *about], rows, f"{note}' range.", about=about)


def _cell(found: Finding | None) -> Cell:
    if found is None:
        return number(None)
    parts = ["not tested"]
    if found.low is not None and found.high is not None:
        parts = [f"{signed(found.low)} to {signed(found.high)}"]
    if (count := len(found.seeds)) > 1:
        parts.append(f"{count} seeds: {signed(min(found.seeds))} to {signed(max(found.seeds))}")
    hint = "" if found.p is None else f"p = {found.p:.4f} after correction over the methods"
    text = f"{signed(found.seeds[0])} {found.mark}".rstrip()
    return Cell(text, detail="; ".join(parts), number=True, hint=hint)


def _costs(study: Study, section: ComparisonSection) -> Table:
    """Returns what the first seed of each method cost: tokens, passes, requests and time."""
    columns = ["method", "planned tokens", *COST, "requests", "answer calls", "answer tokens"]
    columns += [f"seconds of {stage}" for stage in STAGES]
    rows = [_cost_row(study, name) for name in section.shown]
    return Table("comparison-costs", "What each method cost", columns, rows, _WORDS["note"])


def _cost_row(study: Study, name: str) -> list[object]:
    systems = study.config.systems
    parts = trainings(systems, name)
    mixtures = {system.mixture for p in parts if isinstance(system := systems[p], TunedSystem)}
    answering = {name, *getattr(systems[name], "members", ())}
    names = dict(zip(STAGES, (mixtures, set(parts), answering), strict=True))
    jobs = {stage: [r for r in study.records if r["stage"] == stage and r["name"] in own]
            for stage, own in names.items()}  # fmt: skip
    totals = [sum(found) if (found := [job["metrics"][key] for job in jobs["tuning"]
              if key in job["metrics"]]) else None for key in COST.values()]  # fmt: skip
    asked = [value for stage in ("synthesis", "generation") for job in jobs[stage]
             for key, value in job["metrics"].items() if key.endswith(".requests")]  # fmt: skip
    totals.append(sum(asked) if asked else None)
    own = [(job["metrics"], f"{suite}.") for job in jobs["generation"]
           for suite in study.config.suites]  # fmt: skip
    totals += [sum(m.get(at + key, 0) for m, at in own) for key in ("calls", "tokens")]
    settings = [job["parameters"] for job in jobs["tuning"]]
    planned = sum(s["tuning.batch_tokens"] * s["tuning.max_steps"] for s in settings)
    seconds = (sum(map(seconds_of, found)) for found in jobs.values())
    return [name, *map(number, (planned, *totals, *seconds))]
