"""What the report knows about metrics: which come first, what they are, how they are written.
``explanations.tsv`` has a row for each one of ``shared/metrics/measures.tsv``, which says which way
is better and on what scale, and more for parts with a meaning of their own."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from bayling_study.core.records import Key, Score, grouped
from bayling_study.core.tables import read_table
from bayling_study.shared.metrics.measures import meaning
from bayling_study.shared.verdict import HEADLINE
from bayling_study.stages.report.blocks import Cell, PageSection, Table, number, signed
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.significance import difference

ROWS = read_table(Path(__file__).with_name("explanations.tsv"), ("metric", "title", "explanation"))
WORDS = {row["metric"]: (row["title"], row["explanation"]) for _, row in ROWS}
COUNTED = {"satisfaction": "demands", "satisfaction-all": "conversations"}
"""What the n of a metric counts where that is not segments."""


def counted(metric: str) -> str:
    """Returns what the n of a metric, or of a part of it, counts."""
    return COUNTED.get(metric.partition(".")[0], "segments")


def headline(metrics: Iterable[str]) -> list[str]:
    """Returns the metrics that come first, or the first one where none is known."""
    found = list(dict.fromkeys(metrics))
    return [metric for metric in HEADLINE if metric in found] or found[:1]


def by_system(scores: Iterable[Score], key: Callable[[Score], Key]) -> dict[Key, dict[str, Score]]:
    """Returns scores by what ``key`` says of them and then by system."""
    groups = grouped(scores, key)
    return {name: {score.system: score for score in own} for name, own in groups.items()}


def score_row(
    study: Study, scores: dict[str, Score], systems: Iterable[str], decimals: int = 2
) -> list[Cell]:
    """Returns the cells of one item and metric, one per system, a dash without a score. The best
    value is bold where tests tell it from every other one of the row; a mark tells where the paired
    tests found a difference from the baseline. Values and intervals have ``decimals``."""
    better = {meaning(score.metric).better for score in scores.values()}
    order = sorted(scores, key=lambda name: scores[name].value, reverse="lower" not in better)
    apart = bool(order) and study.significance.apart(scores[order[0]], scores)
    best = order[0] if apart and "neither" not in better else None
    whole = max((score.n for score in scores.values()), default=0)
    found = {name: _cell(study, one, decimals, name == best, whole) for name, one in scores.items()}
    return [found.get(name, number(None)) for name in systems]


def _cell(study: Study, score: Score, decimals: int, best: bool, whole: int) -> Cell:
    """Returns a score's cell: value and mark, interval below, link to its file. Where the paired
    test had fewer segments than the item, their number is below, too."""
    test = study.significance.between(score)
    shared = test["n"] if test and counted(score.metric) == "segments" else whole
    fewer = f"tested on {shared:,} of {whole:,} segments" if shared < whole else ""
    mark = study.significance.mark(score)
    about = [f"{meaning(score.metric).better} is better", score.signature, score.method, score.note]
    if test:
        value, low, high = map(signed, difference(test, score.system))
        p = f", p = {test['p_adjusted']:.4f} after correction" if "p_adjusted" in test else ""
        about.append(f"minus {study.baseline}: {value} ({low} to {high}){p}")
    text, hint = f"{score.value:.{decimals}f} {mark}".rstrip(), "\n".join(filter(None, about))
    below = "; ".join(filter(None, (interval(score, decimals), fewer)))
    return Cell(text, below, best, study.link(score), number=True, hint=hint)


def interval(score: Score, decimals: int = 2) -> str:
    """Returns a score's interval, or nothing where it has none."""
    if score.low is None or score.high is None:
        return ""
    return f"{score.low:.{decimals}f} to {score.high:.{decimals}f}"


def _words(metric: str) -> tuple[str, str]:
    """Returns title and explanation; those of the whole for a part, nothing for a new metric."""
    whole, _, part = metric.partition(".")
    title, text = next((WORDS[name] for name in WORDS if fnmatchcase(whole, name)), (whole, ""))
    return WORDS.get(metric, (f"{title}, {part}" if part else title, text))


def title_of(metric: str) -> str:
    """Returns how people call a metric, with its unit: ``chrF2``, ``accuracy (%)``."""
    return _words(metric)[0]


def explain(metric: str) -> str:
    """Returns what a metric is, which way is better and on what scale, in one line."""
    known = meaning(metric)
    parts = (*_words(metric), f"{known.better.capitalize()} is better; {known.scale}")
    return ". ".join(filter(None, parts)) + "."


def metrics_section(metrics: Iterable[str]) -> PageSection:
    """Returns the table of metrics; a part that means what the whole does has no row."""
    names = dict.fromkeys(m if m in WORDS else m.partition(".")[0] for m in metrics)
    rows = [[m, *_words(m), meaning(m).better, meaning(m).scale] for m in names]
    columns = ["metric", "what it is called", "what it is", "better", "scale"]
    tables = [Table("metrics", "Metrics of this report", columns, rows)] if rows else []
    return PageSection("metrics", "What the metrics mean", tables=tables)
