"""Sections about results: score tables with intervals, significance, samples."""

from __future__ import annotations

from collections.abc import Iterable

from bayling_study.records import Score
from bayling_study.report import figures
from bayling_study.report.blocks import Cell, Figure, Sample, Section, Table, text
from bayling_study.report.collect import Study

LOWER_IS_BETTER = frozenset({"unparseable", "empty"})
"""Metrics of which a small value is good; all others are better when larger."""


def result_sections(study: Study) -> list[Section]:
    """Returns one section a suite, with one table and one figure a metric."""
    sections = []
    for suite in dict.fromkeys(score.suite for score in study.scores):
        scores = [score for score in study.scores if score.suite == suite]
        section = Section(f"suite-{suite}", f"Suite {suite}", _introduction(study, suite))
        for metric in dict.fromkeys(score.metric for score in scores):
            section.tables.append(metric_table(study, suite, metric, scores))
        section.samples = samples(study, suite)
        sections.append(section)
    return sections


def _introduction(study: Study, suite: str) -> str:
    config = study.config.suites.get(suite)
    if config is None:
        return ""
    decoding = config.decoding
    way = (
        "sampling"
        if decoding.sample
        else f"beam {decoding.beams}"
        if decoding.beams > 1
        else "greedy"
    )
    zero_shot = getattr(config, "zero_shot", [])
    untrained = f" Never trained on: {', '.join(zero_shot)}." if zero_shot else ""
    return (
        f"Kind {config.kind}; decoding: {way}, at most {decoding.max_new_tokens} new tokens."
        f"{untrained}"
    )


def metric_table(study: Study, suite: str, metric: str, scores: Iterable[Score]) -> Table:
    """Returns the table of one metric: an item a row, a system a column."""
    chosen = {(s.item, s.system): s for s in scores if s.metric == metric}
    items = list(dict.fromkeys(item for item, _ in chosen))
    systems = [name for name in study.config.systems if any(s == name for _, s in chosen)]
    rows = [_row(study, suite, metric, item, systems, chosen) for item in items]
    signatures = sorted({score.signature for score in chosen.values()})
    bars = {key: (score.value, score.low, score.high) for key, score in chosen.items()}
    return Table(
        name=f"{suite}-{metric}",
        title=metric,
        columns=["item", "n", *systems],
        rows=rows,
        note=f"{_method(chosen.values())} Signature: {' ; '.join(signatures)}",
        figures=[
            Figure(
                f"{suite}-{metric}",
                f"{metric} on {suite}",
                figures.score_bars(metric, items, systems, bars),
            )
        ],
    )


def _row(
    study: Study,
    suite: str,
    metric: str,
    item: str,
    systems: list[str],
    chosen: dict[tuple[str, str], Score],
) -> list[Cell]:
    present = [chosen[item, system] for system in systems if (item, system) in chosen]
    pick = min if metric in LOWER_IS_BETTER else max
    best = pick(score.value for score in present)
    row = [text(item), Cell(str(max(score.n for score in present)), number=True)]
    for system in systems:
        score = chosen.get((item, system))
        row.append(_cell(study, score, best) if score else Cell("–", number=True))
    return row


def _cell(study: Study, score: Score, best: float) -> Cell:
    mark = study.significance.mark(score, score.metric in LOWER_IS_BETTER)
    detail = "" if score.low is None else f"{score.low:.1f}–{score.high:.1f}"
    return Cell(
        f"{score.value:.2f} {mark}".rstrip(),
        detail=" ".join(filter(None, (detail, score.note))),
        strong=score.value == best,
        link=f"../scores/{score_file(score)}",
        number=True,
    )


def score_file(score: Score) -> str:
    """Returns the score file of a score, relative to the folder of scores."""
    folder = f"comet/{score.system}" if score.metric.startswith("comet") else score.system
    return f"{folder}/{score.suite}.json"


def _method(scores: Iterable[Score]) -> str:
    methods = sorted({score.method for score in scores if score.method})
    return f"Intervals: {'; '.join(methods)}." if methods else ""


def samples(study: Study, suite: str) -> list[Sample]:
    """Returns the first prompts of each item with every system's answers."""
    wanted = study.config.report.samples
    shown: list[Sample] = []
    count: dict[str, int] = {}
    for prompt in study.prompts(suite):
        if count.get(prompt.item, 0) >= wanted:
            continue
        answers = [
            (system, study.answers(system, suite)[prompt.id]["turns"])
            for system in study.config.systems
            if prompt.id in study.answers(system, suite)
        ]
        if answers:
            count[prompt.item] = count.get(prompt.item, 0) + 1
            shown.append(Sample(prompt.id, prompt.turns, prompt.references, answers))
    return shown
