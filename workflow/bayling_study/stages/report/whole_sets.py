"""How many segments the released test sets have, by which a partial copy is known.

``whole_sets.tsv`` has WMT22's general sets (Kocmi et al. 2022), of which the constrained
sets are two, AGIEval v1 (microsoft/AGIEval at 3680910), BayLing-80, and averages over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bayling_study.config.suites import Suite
from bayling_study.core.tables import read_table


def whole_sizes(suites: Mapping[str, Suite]) -> dict[tuple[str, str], int]:
    """Returns the segments of the items and averages of released suites, by suite and item."""
    table = read_table(Path(__file__).with_suffix(".tsv"), ("kind", "item", "segments"))
    rows = [row for _, row in table]
    kinds = ((name, suite.kind) for name, suite in suites.items())
    return {(n, r["item"]): int(r["segments"]) for n, k in kinds for r in rows if r["kind"] == k}
