"""The report's first page: what was run, the main results, what to know before trusting them."""

from collections.abc import Sequence
from itertools import chain

from bayling_study.core.records import Score
from bayling_study.stages.report.blocks import NOTES, PageSection, Table
from bayling_study.stages.report.cautions import warning_table
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.cost import cost_facts
from bayling_study.stages.report.losses import loss_table
from bayling_study.stages.report.metrics import by_system, explain, headline, score_row

WIDEST = 12  # most columns of values of one table; wider ones become one table per metric
DECIMALS = 1  # decimals of the first page; the suites' own tables have two


def overview_section(study: Study) -> PageSection:
    """Returns what was run, the warnings, and the main numbers of every suite."""
    section = PageSection("overview", "Overview")
    with study.block("overview: systems, suites and cost"):
        section.facts = [
            ("systems", ", ".join(study.config.systems)),
            ("suites", ", ".join(study.config.suites)),
            ("baseline of tests", study.baseline),
            *cost_facts(study.own_records, study.shared_records),
        ]
    section.tables += [table for table in [warning_table(study)] if table.rows]
    with study.block("overview: cut or left out"):
        if (lost := loss_table(study)).rows:
            section.more["Cut or left out"] = [lost]
    for suite in study.by_suite:
        with study.block(f"main results: {suite}"):
            tables = main_tables(study, suite)
            if study.published_only:
                section.more[f"Main results: {suite}"] = tables
            else:
                section.tables += tables
    return section


def main_tables(study: Study, suite: str) -> list[Table]:
    """Returns a suite's headline metrics, together where they fit side by side."""
    scores = study.by_suite[suite]
    metrics = headline(score.metric for score in scores)
    systems = study.ordered(score.system for score in scores)
    name, title = f"main-{suite}", f"Main results: {suite}"
    if len(metrics) * len(systems) <= WIDEST:
        return [_pivot(study, name, title, scores, metrics)]
    return [_pivot(study, f"{name}-{one}", f"{title}, {one}", scores, [one]) for one in metrics]


def _pivot(
    study: Study, name: str, title: str, scores: Sequence[Score], metrics: Sequence[str]
) -> Table:
    """Returns items as rows and, for each metric, systems as columns."""
    chosen = [score for score in scores if score.metric in metrics]
    found = by_system(chosen, lambda score: (score.item, score.metric))
    systems = study.ordered(score.system for score in chosen)
    rows = []
    for item in dict.fromkeys(score.item for score in chosen):
        own = (found.get((item, metric), {}) for metric in metrics)
        cells = (score_row(study, values, systems, DECIMALS) for values in own)
        rows.append([item, *chain.from_iterable(cells)])
    groups = [("", 1), *((metric, len(systems)) for metric in metrics)]
    columns = ["item", *(system for _ in metrics for system in systems)]
    about = {metric: explain(metric) for metric in metrics}
    note = _tests(study, scores[0].suite)
    return Table(name, title, columns, rows, note, groups=groups, about=about)


def _tests(study: Study, suite: str) -> str:
    """Returns what marks, bold type and small numbers mean."""
    method, samples = study.comparisons["method"], study.significance.samples(suite)
    if not samples:
        return "Below each value: its interval. Nothing was compared."
    averages = "" if method.get("averages") else " Averages are not tested."
    how = {"method": method, "tests": "; ".join(method["tests"]), "samples": samples}
    return NOTES["tests"].format(baseline=study.baseline, **how) + averages
