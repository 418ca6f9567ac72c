"""Sections about results: per suite the score tables with intervals and marks."""

from __future__ import annotations

from collections.abc import Iterable

from bayling_study.records import Score
from bayling_study.report import figures
from bayling_study.report.blocks import Figure, Section, Table, number, text
from bayling_study.report.collect import Study
from bayling_study.report.metrics import headline, score_row
from bayling_study.report.samples import samples

MANY_SIGNATURES = 4
"""More than this many signatures are left to the cells' hints."""


def result_sections(study: Study) -> list[Section]:
    """Returns one section a suite: headline metrics with figures, the others folded."""
    sections = []
    for suite in dict.fromkeys(score.suite for score in study.scores):
        scores = [score for score in study.scores if score.suite == suite]
        section = Section(f"suite-{suite}", f"Suite {suite}", _introduction(study, suite))
        metrics = dict.fromkeys(score.metric for score in scores)
        first = headline(metrics)
        for metric in first:
            table = metric_table(study, suite, metric, scores)
            table.figures.append(_figure(study, suite, metric, scores))
            section.tables.append(table)
        for metric in metrics:
            if metric not in first:
                family = f"More metrics: {metric.partition('.')[0]}"
                table = metric_table(study, suite, metric, scores)
                section.more.setdefault(family, []).append(table)
        section.samples = samples(study, suite)
        sections.append(section)
    return sections


def _introduction(study: Study, suite: str) -> str:
    config = study.config.suites.get(suite)
    if config is None:
        return ""
    decoding = config.decoding
    way = "greedy" if decoding.beams == 1 else f"beam {decoding.beams}"
    way = f"sampling at temperature {decoding.temperature}" if decoding.sample else way
    zero_shot = getattr(config, "zero_shot", [])
    untrained = f" Never trained on: {', '.join(zero_shot)}." if zero_shot else ""
    kinds = {system.kind for system in study.config.systems.values()}
    made = f"; decoding: {way}, at most {decoding.max_new_tokens} new tokens"
    return f"Kind {config.kind}{made if kinds != {'published'} else ''}.{untrained}"


def metric_table(study: Study, suite: str, metric: str, scores: Iterable[Score]) -> Table:
    """Returns the table of one metric: an item a row, a system a column."""
    items: dict[str, dict[str, Score]] = {}
    for score in scores:
        if score.metric == metric:
            items.setdefault(score.item, {})[score.system] = score
    systems = study.ordered(name for row in items.values() for name in row)
    rows = [
        [
            text(item),
            number(max(score.n for score in row.values())),
            *score_row(study, row, systems),
        ]
        for item, row in items.items()
    ]
    chosen = [score for row in items.values() for score in row.values()]
    columns = ["item", "segments", *systems]
    return Table(f"{suite}-{metric}", metric, columns, rows, _note(study, chosen))


def _note(study: Study, scores: Iterable[Score]) -> str:
    chosen = list(scores)
    methods = sorted({score.method for score in chosen if score.method})
    signatures = sorted({score.signature for score in chosen if score.signature})
    parts = [f"▲ ▼: significantly better or worse than {study.baseline}."]
    parts += [f"Intervals: {'; '.join(methods)}."] if methods else []
    if len(signatures) > MANY_SIGNATURES:
        parts.append("Signatures: rest the pointer on a value, or open its score file.")
    elif signatures:
        parts.append(f"Signature: {' ; '.join(signatures)}")
    return " ".join(parts)


def _figure(study: Study, suite: str, metric: str, scores: Iterable[Score]) -> Figure:
    chosen = [score for score in scores if score.metric == metric]
    items = list(dict.fromkeys(score.item for score in chosen))
    systems = study.ordered(score.system for score in chosen)
    bars = {(s.item, s.system): (s.value, s.low, s.high) for s in chosen}
    svg = figures.score_bars(metric, items, systems, bars)
    return Figure(f"{suite}-{metric}", f"{metric} on {suite}", svg)
