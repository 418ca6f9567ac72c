"""The chapter that compares scores with published values, and the table of ``make study``."""

from collections import Counter
from collections.abc import Iterable, Sequence

from bayling_study.core.records import grouped
from bayling_study.shared.verdict import HEADLINE
from bayling_study.stages.report.blocks import NOTES, Cell, PageSection, Table, number
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import by_system, explain, interval, score_row
from bayling_study.stages.report.published_table import Published
from bayling_study.stages.report.verdicts import CLOSE, DIFFERS, NOT_COMPARABLE, REPRODUCED, Verdict

ORDER = (REPRODUCED, CLOSE, DIFFERS, NOT_COMPARABLE)
COLUMNS = ["item", "system", "metric", "published", "ours", "interval", "verdict", "reason"]


def verdict_section(study: Study, verdicts: Iterable[Verdict]) -> PageSection:
    """Returns the verdicts on published values: counts, then a folded table a suite. Scores that
    nobody published stay in ``verdicts.tsv`` only."""
    section = PageSection("verdicts", "Against the published values")
    judged = [row for row in verdicts if row.published is not None]
    if not judged:
        section.text = "No published value concerns the systems and suites of this study."
        return section
    section.text = NOTES["verdicts"]
    section.tables = [verdict_counts(judged, group) for group in ("suite", "kind")]
    for suite, rows in grouped(judged, lambda row: row.key[0]).items():
        body = [_row(study, row.published, row) for row in rows if row.published]
        about = {row.key[3]: explain(row.key[3]) for row in rows if row.score}
        table = Table(f"verdicts-{suite}", f"Verdicts: {suite}", COLUMNS, body, about=about)
        section.more[f"{suite}: {len(rows)} published values"] = [table]
    return section


def verdict_counts(verdicts: Sequence[Verdict], group: str) -> Table:
    """Returns how many values got which verdict, by ``suite`` or by ``kind`` of value."""
    found: dict[str, Counter[str]] = {}
    for row in verdicts:
        kind = row.published.kind if row.published else ""
        found.setdefault(row.key[0] if group == "suite" else kind, Counter())[row.verdict] += 1
    rows = [[name, *(number(row[v]) for v in ORDER)] for name, row in found.items()]
    title = f"Verdicts by {group if group == 'suite' else 'kind of published value'}"
    total = sum(found.values(), Counter())
    rows.append(["all", *(number(total[v]) for v in ORDER)])
    return Table(f"verdict-counts-{group}", title, [group, *ORDER], rows)


def _row(study: Study, known: Published, verdict: Verdict) -> list[object]:
    score = verdict.score
    ours, bounds = number(None), Cell("", number=True)
    printed = Cell(known.text, number=True, hint=known.source)
    if score:
        value, link = f"{score.value:.{known.decimals}f}", study.link(score)
        ours = Cell(value, number=True, hint=score.signature, link=link)
        bounds = Cell(interval(score), number=True)
    result = Cell(verdict.verdict, strong=verdict.verdict == DIFFERS)
    return [*verdict.key[1:], printed, ours, bounds, result, verdict.reason]


def summary_table(study: Study, verdicts: Iterable[Verdict]) -> Table:
    """Returns what ``make study`` prints: the headline metrics, one system a column. A study of
    published outputs only has its verdicts for a result: it gets their counts by suite."""
    judged = [row for row in verdicts if row.published is not None]
    if study.published_only and judged:
        return verdict_counts(judged, "suite")
    scores = [score for score in study.scores if score.metric in HEADLINE]
    places = by_system(scores, lambda score: (score.suite, score.metric, score.item))
    suites = list(study.by_suite)
    order = sorted(places, key=lambda place: (suites.index(place[0]), HEADLINE.index(place[1])))
    systems = study.ordered(score.system for score in scores)
    rows = []
    for suite, metric, item in order:
        values = score_row(study, places[suite, metric, item], systems)
        rows.append([suite, item, metric, *(cell.text for cell in values)])
    return Table("summary", "Main results", ["suite", "item", "metric", *systems], rows)
