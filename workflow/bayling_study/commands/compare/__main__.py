"""Reports two studies, or two systems, side by side.

    python -m bayling_study.commands.compare embedded embedded-2
    python -m bayling_study.commands.compare embedded:tuned /data/other/results/embedded:tuned

A side is a study's name or results folder, with ``:SYSTEM`` for one of its systems. Printed
and written (``index.html``, ``tables/*.tsv``) are what differs in configuration, code, data
and environment, and every score that both have, with paired tests on the shared segments.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bayling_study.commands.compare.scores import B, ScorePair, pairs
from bayling_study.commands.compare.sides import Side, differences, side_of
from bayling_study.commands.summary import aligned
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_text
from bayling_study.shared.metrics.measures import meaning
from bayling_study.shared.verdict import HEADLINE
from bayling_study.stages.report.blocks import NOTES, Cell, PageSection, Table, number, signed
from bayling_study.stages.report.page import render
from bayling_study.stages.report.significance import BETTER, WORSE, difference, mark_of

COMMAND_LINE = cli.command(
    __name__,
    a=cli.option("STUDY or STUDY:SYSTEM", positional=True, metavar="A"),
    b=cli.option("STUDY or STUDY:SYSTEM", positional=True, metavar="B"),
    results=cli.option("folder of studies", type=Path, default=Path("results")),
    out=cli.path("folder to write; default: RESULTS/compare/A--B", required=False),
)


def main() -> None:
    """Prints and writes the comparison."""
    arguments = COMMAND_LINE.parse_args()
    a, b = (side_of(name, arguments.results) for name in (arguments.a, arguments.b))
    if (a.folder.resolve(), a.system) == (b.folder.resolve(), b.system):
        fix = "name two, or STUDY:SYSTEM"
        raise StudyError("A and B are the same", where=f"{a.label!r}", fix=fix)
    rows, scores = differences(a, b), pairs(a, b)
    differing = Table("differences", "What differs", ["kind", "what", "A", "B"], rows)
    tables = [differing, score_table(scores, HEADLINE), score_table(scores)]
    summary = verdict(scores)
    shown = [table for table in tables[:2] if table.rows]
    print(f"A: {a.label}\nB: {b.label}\n")
    for table in shown:
        print(f"{table.title}\n\n{aligned([table.headings, *table.plain])}\n")
    print(summary)
    names = (re.sub(r"[^\w.-]+", "-", side.label).strip("-") for side in (a, b))
    out = arguments.out or arguments.results / "compare" / "--".join(names)
    write(out, a, b, summary, tables)
    print(f"\nComparison: {out / 'index.html'}")


def score_table(scores: Sequence[ScorePair], only: Sequence[str] = ()) -> Table:
    """Returns the scores of both sides; ``only`` names the metrics that are wanted."""
    name, title = ("scores", "Scores") if only else ("all-scores", "Scores, every metric")
    wanted = [pair for pair in scores if not only or pair.metric in only]
    suites = list(dict.fromkeys(pair.suite for pair in scores))
    order = [*only, *(pair.metric for pair in scores)]
    wanted.sort(key=lambda pair: (suites.index(pair.suite), order.index(pair.metric)))
    columns = ["suite", "item", "metric", "system", "A", "B", "difference", "p", "segments", "note"]
    return Table(name, title, columns, [_row(pair) for pair in wanted], NOTES["compared"])


def _row(pair: ScorePair) -> list[object]:
    bounds, p, segments = "", number(None), number(None)
    if pair.test:
        bounds = " to ".join(map(signed, difference(pair.test, B)[1:]))
        p = number(max(pair.test["p_adjusted"], pair.test.get("q_table", 0.0)), 3)
        segments = number(pair.test["n"])
    change = f"{signed(pair.b - pair.a)} {mark(pair)}".rstrip()
    values = number(pair.a, 2), number(pair.b, 2), Cell(change, detail=bounds, number=True)
    return [pair.suite, pair.item, pair.metric, pair.system, *values, p, segments, pair.note]


def mark(pair: ScorePair) -> str:
    """Returns ``▲`` or ``▼`` where B is significantly better or worse than A."""
    return mark_of(pair.test, B) if pair.test else ""


def verdict(scores: Sequence[ScorePair]) -> str:
    """Returns one line on the headline scores."""
    first = [pair for pair in scores if pair.metric in HEADLINE]
    if not first:
        return "The sides have no score in common."
    tested = [pair for pair in first if pair.test and meaning(pair.metric).better != "neither"]
    marks = Counter(mark(pair) for pair in tested)
    return (
        f"{len(first)} headline scores in common, {len(tested)} tested: B is significantly better "
        f"in {marks[BETTER]}, worse in {marks[WORSE]}, not significantly different in {marks['']}."
    )


def write(out: Path, a: Side, b: Side, summary: str, tables: Sequence[Table]) -> None:
    """Writes the page and its tables."""
    for table in tables:
        table.write(out / "tables")
    section = PageSection("comparison", f"A: {a.label}; B: {b.label}", summary, list(tables[:2]))
    section.more["Every metric"] = [tables[2]]
    write_text(out / "index.html", render("Comparison", f"A: {a.label}, B: {b.label}", [section]))


if __name__ == "__main__":
    cli.run_program(main)
