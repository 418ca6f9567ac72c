"""The report's first page: what was run, the main results, verdicts, warnings."""

from __future__ import annotations

import csv
from pathlib import Path

from bayling_study.records import Score
from bayling_study.report.blocks import Cell, Section, Table, number, text
from bayling_study.report.collect import Study

HEADLINE = (
    "bleu",
    "chrf2",
    "comet",
    "comet-embedded",
    "satisfaction",
    "constraint-rate",
    "accuracy",
    "score-ratio",
)
"""Metrics of the summary, in this order."""
FEW_SEGMENTS = 200
"""Below this number of segments an interval is wide; Koehn (2004) used 300 and more."""


def overview_section(study: Study) -> Section:
    """Returns what was run and the main numbers in one table."""
    section = Section("overview", "Overview")
    seconds = sum((record["end"] or record["start"]) - record["start"] for record in study.records)
    wall = max(r["end"] or r["start"] for r in study.records) - study.records[0]["start"]
    section.facts = [
        ("systems", ", ".join(study.config.systems)),
        ("suites", ", ".join(study.config.suites)),
        ("baseline of tests", study.baseline),
        ("jobs", f"{len(study.records)}, {seconds / 60:.1f} minutes of work"),
        ("first start to last end", f"{wall / 60:.1f} minutes"),
        ("tests", _tests(study)),
    ]
    section.tables.append(summary_table(study))
    warnings = warning_table(study)
    if warnings.rows:
        section.tables.append(warnings)
    return section


def _tests(study: Study) -> str:
    method = study.comparisons["method"]
    return (
        f"{'; '.join(method['tests'])}; {method['samples']} samples; Holm's correction over "
        f"all pairs of systems of one item and metric; significant where {method['significant']} "
        f"{method['level']}"
    )


def summary_table(study: Study) -> Table:
    """Returns the headline metrics of every suite and item, one system a column."""
    by_place: dict[tuple[str, str, str], dict[str, Score]] = {}
    for score in study.scores:
        if score.metric in HEADLINE:
            place = (score.suite, score.metric, score.item)
            by_place.setdefault(place, {})[score.system] = score
    suites = list(study.config.suites)
    order = sorted(by_place, key=lambda place: (suites.index(place[0]), HEADLINE.index(place[1])))
    systems = [name for name in study.config.systems if any(name in by_place[p] for p in order)]
    rows = [
        [
            text(suite),
            text(item),
            text(metric),
            *_values(study, by_place[suite, metric, item], systems),
        ]
        for suite, metric, item in order
    ]
    columns = ["suite", "item", "metric", *systems]
    note = f"▲ ▼: significantly better or worse than {study.baseline}, see Overview."
    return Table("summary", "Main results", columns, rows, note)


def _values(study: Study, scores: dict[str, Score], systems: list[str]) -> list[Cell]:
    best = max(score.value for score in scores.values())
    cells = []
    for system in systems:
        score = scores.get(system)
        if score is None:
            cells.append(number(None))
            continue
        shown = f"{score.value:.2f} {study.significance.mark(score)}".rstrip()
        cells.append(Cell(shown, strong=score.value == best, number=True))
    return cells


def verdict_section(path: Path) -> Section:
    """Returns the comparison with the published values, as ``verdicts.tsv`` has it."""
    with open(path, encoding="utf-8", newline="") as stream:
        columns, *rows = csv.reader(stream, dialect="excel-tab")
    section = Section("verdicts", "Against the published values")
    place = columns.index("verdict")
    counts = {row[place]: 0 for row in rows}
    for row in rows:
        counts[row[place]] += 1
    section.facts = [(verdict, str(count)) for verdict, count in sorted(counts.items())]
    cells = [[text(value) for value in row] for row in rows]
    section.tables.append(Table("verdicts", "Verdicts", columns, cells))
    return section


def warning_table(study: Study) -> Table:
    """Returns what a careful reader should know before trusting a number."""
    rows = [[text(what), text(why)] for what, why in _warnings(study)]
    return Table("warnings", "Read this first", ["what", "why"], rows)


def _warnings(study: Study) -> list[tuple[str, str]]:
    found = []
    small = {s.suite: s.n for s in study.scores if s.n < FEW_SEGMENTS}
    for suite, size in small.items():
        found.append((f"{suite}: items of {size} segments", "intervals are wide; read them"))
    if any(score.metric == "comet-embedded" for score in study.scores):
        why = (
            "a small model trained in this study on known degradations; never compare it with COMET"
        )
        found.append(("comet-embedded is not COMET", why))
    for manifest in study.sources:
        if manifest.get("pin") == "lock":
            source = manifest["source"]["id"]
            found.append((f"source {source}", "hash locked at the first download, not pinned"))
    for record in study.records:
        if record["state"] != "finished":
            found.append((f"{record['stage']}/{record['name']}", f"ended as {record['state']}"))
    for name, system in study.systems.items():
        if system.get("absent"):
            found.append((f"{name}: {len(system['absent'])} items absent", "not in the source"))
    return found
