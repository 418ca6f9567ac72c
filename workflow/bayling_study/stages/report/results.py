"""Sections about results: per suite the score tables with intervals and marks."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from bayling_study.config.suites import SourceText
from bayling_study.core.records import Score, by_item
from bayling_study.core.text.forms import normalise
from bayling_study.core.text.words import words
from bayling_study.stages.report import figures, heatmap
from bayling_study.stages.report.blocks import NOTES, Figure, PageSection, Table, number
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import by_system, counted, explain, headline, score_row

MANY_SIGNATURES = 4  # more than this many signatures are left to the cells' hints
MOST_BARS = 24  # items up to which each has its bars; of more, only averages do, beside a heat map
MOST_ROWS = 40
"""Items up to which a headline table is open; of more, it opens on demand below the averages."""


def result_sections(study: Study) -> list[PageSection]:
    """Returns one section per suite: headline metrics with figures, the others folded."""
    sections = []
    for suite, scores in study.by_suite.items():
        section = PageSection(f"suite-{suite}", f"Suite {suite}", _introduction(study, suite))
        sections.append(section)
        if getattr(study.config.suites.get(suite), "source_text", SourceText()) != SourceText():
            with study.block(f"{suite}: altered sources"):
                section.tables.append(source_table(study, suite))
        metrics = dict.fromkeys(score.metric for score in scores)
        first = headline(metrics)
        for metric in dict.fromkeys([*first, *metrics]):
            own = [score for score in scores if score.metric == metric]
            with study.block(f"{suite}: table of {metric}"):
                if metric in first:
                    _add_headline(section, study, suite, own)
                else:
                    family = f"More metrics: {metric.partition('.')[0]}"
                    table = metric_table(study, suite, metric, own)
                    section.more.setdefault(family, []).append(table)
    return sections


def source_table(study: Study, suite: str) -> Table:
    """Returns how far a suite's sources are altered, and which share of the references' words only
    the altered ones hold: those give the answer away."""
    rows = []
    for item, prompts in by_item(study.prompts(suite)).items():
        shown = [prompt.meta["source_text"] for prompt in prompts]
        plain = [prompt.meta.get("plain_text", prompt.meta["source_text"]) for prompt in prompts]
        texts = zip(shown, plain, (prompt.references[0] for prompt in prompts), strict=True)
        split = [[words(normalise(text)) for text in three] for three in texts]
        gone = [word not in new for new, old, _ in split for word in old]
        leak = [word in new and word not in old for new, old, gold in split for word in gold]
        shares = (number(100 * fmean(found), 1, " %") for found in (gone, leak))
        rows.append([item, number(len(prompts)), *shares])
    columns = ["direction", "sources", "words exchanged", "reference words shown (leak)"]
    return Table(f"sources-{suite}", f"Altered sources of {suite}", columns, rows)


def _add_headline(section: PageSection, study: Study, suite: str, scores: list[Score]) -> None:
    """Adds the table and figures of one metric, given its scores; very long tables are folded."""
    metric = scores[0].metric
    table = metric_table(study, suite, metric, scores)
    directions = set(heatmap.directions_of(score.item for score in scores))
    averages = [score for score in scores if score.item not in directions]
    drawn = averages if len(table.rows) > MOST_BARS and directions else scores
    if drawn:
        with study.block(f"{suite}: bars of {metric}"):
            table.figures.append(_bars(study, suite, drawn))
    if len(directions) >= heatmap.FEWEST_DIRECTIONS and heatmap.pivots_of([*directions]):
        with study.block(f"{suite}: map of {metric} by language"):
            table.figures.append(_language_map(study, suite, metric, scores))
    if len(table.rows) <= MOST_ROWS:
        section.tables.append(table)
        return
    if averages:
        short = metric_table(study, suite, metric, averages)
        short.name, short.figures = f"{table.name}-averages", table.figures
        table.figures = []
        section.tables.append(short)
    section.more[f"{metric} of all {len(table.rows)} items"] = [table]


def _language_map(study: Study, suite: str, metric: str, scores: Sequence[Score]) -> Figure:
    svg = heatmap.heat_map(scores, study.ordered(score.system for score in scores))
    name, title = f"{suite}-{metric}-languages", f"{metric} on {suite} by language"
    return Figure(name, title, svg, NOTES["languages"])


def _bars(study: Study, suite: str, scores: Sequence[Score]) -> Figure:
    metric = scores[0].metric
    items = list(dict.fromkeys(score.item for score in scores))
    values = {(score.item, score.system): (score.value, score.low, score.high) for score in scores}
    svg = figures.score_bars(items, study.ordered(score.system for score in scores), values)
    return Figure(f"{suite}-{metric}", f"{metric} on {suite}", svg)


def _introduction(study: Study, suite: str) -> str:
    if (config := study.config.suites.get(suite)) is None:
        return ""
    zero_shot, asked = (getattr(config, name, ()) for name in ("zero_shot", "directions"))
    unseen = [one for one in zero_shot if one in asked and not study.published_only]
    untrained = f" Never trained on: {', '.join(unseen)}." if unseen else ""
    made = ""
    if (decoding := getattr(config, "decoding", None)) and not study.published_only:
        way = "greedy" if decoding.beams == 1 else f"beam {decoding.beams}"
        way = f"sampling at temperature {decoding.temperature}" if decoding.sample else way
        made = f"; decoding: {way}, at most {decoding.max_new_tokens} new tokens"
    return f"Kind {config.kind}{made}.{untrained}"


def metric_table(study: Study, suite: str, metric: str, scores: Iterable[Score]) -> Table:
    """Returns the table of one metric: one row per item, one column per system."""
    chosen = [score for score in scores if score.metric == metric]
    systems = study.ordered(score.system for score in chosen)
    rows = []
    for item, row in by_system(chosen, lambda score: score.item).items():
        segments = number(max(score.n for score in row.values()))
        rows.append([item, segments, *score_row(study, row, systems)])
    columns = ["item", counted(metric), *systems]
    about = {metric: explain(metric)}
    return Table(f"{suite}-{metric}", metric, columns, rows, _note(study, chosen), about=about)


def _note(study: Study, chosen: Sequence[Score]) -> str:
    methods = sorted({score.method for score in chosen if score.method})
    signatures = sorted({score.signature for score in chosen if score.signature})
    samples = study.significance.samples(chosen[0].suite) if chosen else ""
    tested = f", by {samples} samples" if samples else ""
    parts = [f"▲ ▼: significantly better or worse than {study.baseline}{tested}."]
    parts += [f"Intervals: {'; '.join(methods)}."] if methods else []
    if len(signatures) > MANY_SIGNATURES:
        parts.append("Signatures: hover over a value, or open its score file.")
    elif signatures:
        parts.append(f"Signature: {' ; '.join(signatures)}")
    return " ".join(parts)
