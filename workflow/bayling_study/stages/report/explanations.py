"""What each metric is, in words a reader needs: one table, shown on heads and as a chapter.

``explanations.tsv`` has one row for each row of ``shared/metrics/measures.tsv``, which says
which way is better and on what scale, and further ones for parts with a meaning of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from bayling_study.core.tables import read_table
from bayling_study.shared.metrics.measures import meaning
from bayling_study.stages.report.blocks import PageSection, Table, table_row

COLUMNS = ("metric", "title", "explanation")
BETTER = {"higher": "Higher is better", "lower": "Lower is better", "neither": "Neither is better"}


@cache
def _rows() -> list[tuple[str, str, str]]:
    rows = read_table(Path(__file__).with_suffix(".tsv"), COLUMNS)
    return [(row["metric"], row["title"], row["explanation"]) for _, row in rows]


def _row(metric: str) -> tuple[str, str]:
    """Returns title and explanation; those of the whole for a part, nothing for a new metric."""
    whole, _, part = metric.partition(".")
    for known, title, text in _rows():
        if known == metric:
            return title, text
    for known, title, text in _rows():
        if fnmatchcase(whole, known):
            return f"{title}, {part}" if part else title, text
    return metric, ""


def title_of(metric: str) -> str:
    """Returns how people call a metric, with its unit: ``chrF2``, ``accuracy (%)``."""
    return _row(metric)[0]


def explain(metric: str) -> str:
    """Returns what a metric is, which way is better and on what scale, in one line."""
    known = meaning(metric)
    parts = (title_of(metric), _row(metric)[1], f"{BETTER[known.better]}; {known.scale}")
    return ". ".join(filter(None, parts)) + "."


def metrics_section(metrics: Iterable[str]) -> PageSection:
    """Returns the table of metrics; a part that means what the whole does has no row."""
    section = PageSection("metrics", "What the metrics mean")
    own = {known for known, _, _ in _rows()}
    rows = []
    for metric in dict.fromkeys(m if m in own else m.partition(".")[0] for m in metrics):
        title, text = _row(metric)
        rows.append(table_row(metric, title, text, meaning(metric).better, meaning(metric).scale))
    columns = ["metric", "what it is called", "what it is", "better", "scale"]
    section.tables = [Table("metrics", "Metrics of this report", columns, rows)] * bool(rows)
    return section
