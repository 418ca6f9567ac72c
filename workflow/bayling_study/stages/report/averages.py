"""Averages over items that scoring resampled and tested, for several systems side by side.

An average says of itself that it is one: a plain mean by its signature, items
put together by its note (``scoring.aggregates``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bayling_study.core.records import Score
from bayling_study.stages.report.blocks import Cell, PageSection, Table, number, table_row
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.explanations import explain
from bayling_study.stages.report.metrics import headline, score_row
from bayling_study.stages.report.significance import MEAN, difference_cell

POOL = " items pooled"
MOST_ROWS = 12
"""Averages up to which a suite's table is open; of more, it opens on demand."""

Average = tuple[str, str]
"""An average's name and its metric."""


def is_average(score: Score) -> bool:
    """Tells whether a score is over several items, with the resamples of them all."""
    whole = score.signature.startswith(MEAN) or score.note.endswith(POOL)
    return whole and score.low is not None


def averages_of(study: Study, systems: Sequence[str]) -> dict[str, dict[Average, dict[str, Score]]]:
    """Returns the headline averages of systems: suite to (average, metric) to system to score."""
    found: dict[str, dict[Average, dict[str, Score]]] = {}
    for suite, scores in study.by_suite.items():
        first = headline(score.metric for score in scores)
        for score in scores:
            if score.metric in first and score.system in systems and is_average(score):
                rows = found.setdefault(suite, {})
                rows.setdefault((score.item, score.metric), {})[score.system] = score
    return found


def add_averages(
    section: PageSection, study: Study, found: dict[str, dict[Average, dict[str, Score]]]
) -> None:
    """Adds, for each suite, the averages with intervals and marks, and their tests folded."""
    for suite, rows in found.items():
        table = _table(study, suite, rows)
        if len(rows) <= MOST_ROWS:
            section.tables.append(table)
        else:
            section.more[f"Averages of {suite}: {len(rows)}"] = [table]
        tests = _tests(study, suite, rows)
        if tests.rows:
            section.more[f"{suite}: differences from {study.baseline}"] = [tests]


def _table(study: Study, suite: str, rows: dict[Average, dict[str, Score]]) -> Table:
    systems = study.ordered(name for scores in rows.values() for name in scores)
    body = [
        table_row(item, metric, *score_row(study, scores, systems))
        for (item, metric), scores in rows.items()
    ]
    methods = dict.fromkeys(s.method for scores in rows.values() for s in scores.values())
    note = (
        f"Averages over items. Below each: its interval ({'; '.join(filter(None, methods))}). "
        f"▲ ▼: significantly better or worse than {study.baseline}, where that was tested."
    )
    columns = ["average", "metric", *systems]
    about = {metric: explain(metric) for _, metric in rows}
    return Table(f"ablations-{suite}", f"Averages of {suite}", columns, body, note, about=about)


def _tests(study: Study, suite: str, rows: dict[Average, dict[str, Score]]) -> Table:
    """Returns what ``comparisons.json`` says about each system against the baseline."""
    body = [
        _test(scores[system], test)
        for scores in rows.values()
        for system in study.ordered(scores)
        if system != study.baseline and (test := study.significance.between(scores[system]))
    ]
    columns = ["average", "metric", "system", "difference", "p, corrected", "significant"]
    note = f"System minus {study.baseline}, with its interval; p after Holm's correction."
    title = f"Averages of {suite}: differences from {study.baseline}"
    return Table(f"ablations-{suite}-tests", title, columns, body, note)


def _test(score: Score, test: Mapping[str, Any]) -> list[Cell]:
    difference, p = difference_cell(test, score.system), number(test.get("p_adjusted"), 4)
    significant = "yes" if test["significant"] else "no"
    return table_row(score.item, score.metric, score.system, difference, p, significant)
