"""The tables of published values (``config/published.tsv``) and of whole test sets.

The ``kind`` of a published value says what it is worth:

- ``published``: printed by the authors (or, for WMT22 submissions, by the organisers);
- ``recomputed``: computed from released files by this project, not the paper's own figure;
- ``approximate``: read from a chart, never a target;
- ``recalled``: quoted from memory of later papers;
- ``not-recomputable``: published, but the data behind it was not released.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bayling_study.config.suites import Suite
from bayling_study.core.errors import StudyError
from bayling_study.core.tables import read_table

COLUMNS = ("suite", "item", "system", "metric", "value", "decimals", "kind", "source", "note")
KINDS = ("published", "recomputed", "approximate", "recalled", "not-recomputable")

ScoreKey = tuple[str, str, str, str]
"""Suite, item, system and metric."""


class Published(NamedTuple):
    """One published value, named as in the replay study and in score files. ``text`` is the value
    as it was printed, with ``decimals``, at which equality is judged; ``kind`` is one of ``KINDS``;
    ``note`` is what a reader must know, such as a trap."""

    suite: str
    item: str
    system: str
    metric: str
    value: float
    text: str
    decimals: int
    kind: str
    source: str
    note: str

    @property
    def key(self) -> ScoreKey:
        """What the value is about."""
        return (self.suite, self.item, self.system, self.metric)


def read_published(path: Path) -> list[Published]:
    """Reads the table (``StudyError`` names the line of a row that is malformed or a repeat)."""
    rows: dict[tuple[ScoreKey, str], Published] = {}
    for where, cells in read_table(path, COLUMNS):
        row = _parse(cells, where)
        if (row.key, row.kind) in rows:
            raise StudyError(f"{row.key} is duplicated as {row.kind}", where=where)
        rows[row.key, row.kind] = row
    return list(rows.values())


def _parse(cells: dict[str, str], where: str) -> Published:
    suite, item, system, metric, text, decimals, kind, source, note = cells.values()
    if kind not in KINDS:
        raise StudyError(f"unknown kind {kind!r}", where=where, fix=f"one of: {', '.join(KINDS)}")
    try:
        value = float(text)
    except ValueError as error:
        raise StudyError(f"{text!r} is not a number", where=where) from error
    printed = len(text.partition(".")[2])
    if not math.isfinite(value) or decimals != str(printed):
        raise StudyError(f"{text!r} does not have {decimals!r} decimals", where=where)
    if not source:
        raise StudyError("the row names no source", where=where)
    return Published(suite, item, system, metric, value, text, printed, kind, source, note)


def whole_sizes(suites: Mapping[str, Suite]) -> dict[tuple[str, str], int]:
    """Returns the segments of released suites' items and averages, which tell of a partial copy, by
    suite and item: of WMT22 (Kocmi et al. 2022), AGIEval v1 (at 3680910) and BayLing-80."""
    columns = "kind", "item", "segments"
    rows = [row for _, row in read_table(Path(__file__).with_name("whole_sets.tsv"), columns)]
    kinds = ((name, suite.kind) for name, suite in suites.items())
    return {(n, r["item"]): int(r["segments"]) for n, k in kinds for r in rows if r["kind"] == k}
