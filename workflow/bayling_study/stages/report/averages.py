"""Averages over items that scoring resampled and tested, for several systems side by side.

An average says of itself that it is one: a plain mean by its signature, items
put together by its note (``scoring.aggregates``).
"""

from __future__ import annotations

from collections.abc import Sequence

from bayling_study.core.records import Score
from bayling_study.stages.report.blocks import Cell, PageSection, Table, number, text
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import difference_cell, headline, score_row

MEAN, POOL = "mean of ", " items pooled"
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
    for suite in dict.fromkeys(score.suite for score in study.scores):
        scores = [score for score in study.scores if score.suite == suite]
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
        [text(item), text(metric), *score_row(study, scores, systems)]
        for (item, metric), scores in rows.items()
    ]
    methods = dict.fromkeys(s.method for scores in rows.values() for s in scores.values())
    note = (
        f"Averages over items. Below each: its interval ({'; '.join(filter(None, methods))}). "
        f"▲ ▼: significantly better or worse than {study.baseline}, where that was tested."
    )
    columns = ["average", "metric", *systems]
    return Table(f"ablations-{suite}", f"Averages of {suite}", columns, body, note)


def _tests(study: Study, suite: str, rows: dict[Average, dict[str, Score]]) -> Table:
    """Returns what ``comparisons.json`` says about each system against the baseline."""
    body = [
        row
        for scores in rows.values()
        for system in study.ordered(scores)
        if system != study.baseline
        for row in _test(study, scores[system])
    ]
    columns = ["average", "metric", "system", "difference", "p, corrected", "significant"]
    note = f"System minus {study.baseline}, with its interval; p after Holm's correction."
    title = f"Averages of {suite}: differences from {study.baseline}"
    return Table(f"ablations-{suite}-tests", title, columns, body, note)


def _test(study: Study, score: Score) -> list[list[Cell]]:
    test = study.significance.between(score)
    if test is None:
        return []
    return [
        [
            text(score.item),
            text(score.metric),
            text(score.system),
            difference_cell(test, score.system),
            number(test.get("p_adjusted"), 4),
            text("yes" if test["significant"] else "no"),
        ]
    ]
