"""What each metric is, in words a reader needs: one table, shown on heads and as a chapter.

``explanations.tsv`` has a row for each one of ``shared/metrics/measures.tsv``, which says
which way is better and on what scale, and more for parts with a meaning of their own.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from bayling_study.core.tables import read_table
from bayling_study.shared.metrics.measures import meaning
from bayling_study.stages.report.blocks import PageSection, Table, table_row

TABLE = read_table(Path(__file__).with_suffix(".tsv"), ("metric", "title", "explanation"))
ROWS = {row["metric"]: (row["title"], row["explanation"]) for _, row in TABLE}


def _row(metric: str) -> tuple[str, str]:
    """Returns title and explanation; those of the whole for a part, nothing for a new metric."""
    whole, _, part = metric.partition(".")
    title, text = next((ROWS[name] for name in ROWS if fnmatchcase(whole, name)), (whole, ""))
    return ROWS.get(metric, (f"{title}, {part}" if part else title, text))


def title_of(metric: str) -> str:
    """Returns how people call a metric, with its unit: ``chrF2``, ``accuracy (%)``."""
    return _row(metric)[0]


def explain(metric: str) -> str:
    """Returns what a metric is, which way is better and on what scale, in one line."""
    known = meaning(metric)
    parts = (*_row(metric), f"{known.better.capitalize()} is better; {known.scale}")
    return ". ".join(filter(None, parts)) + "."


def metrics_section(metrics: Iterable[str]) -> PageSection:
    """Returns the table of metrics; a part that means what the whole does has no row."""
    names = dict.fromkeys(m if m in ROWS else m.partition(".")[0] for m in metrics)
    rows = [table_row(m, *_row(m), meaning(m).better, meaning(m).scale) for m in names]
    columns = ["metric", "what it is called", "what it is", "better", "scale"]
    tables = [Table("metrics", "Metrics of this report", columns, rows)] if rows else []
    return PageSection("metrics", "What the metrics mean", tables=tables)
