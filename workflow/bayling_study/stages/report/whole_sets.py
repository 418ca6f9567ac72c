"""How many segments the released test sets have, by which a partial copy is known.

The table has WMT22 (Kocmi et al. 2022), AGIEval v1 (at 3680910), BayLing-80 and averages.
"""

from collections.abc import Mapping
from pathlib import Path

from bayling_study.config.suites import Suite
from bayling_study.core.tables import read_table


def whole_sizes(suites: Mapping[str, Suite]) -> dict[tuple[str, str], int]:
    """Returns the segments of the items and averages of released suites, by suite and item."""
    columns = "kind", "item", "segments"
    rows = [row for _, row in read_table(Path(__file__).with_suffix(".tsv"), columns)]
    kinds = ((name, suite.kind) for name, suite in suites.items())
    return {(n, r["item"]): int(r["segments"]) for n, k in kinds for r in rows if r["kind"] == k}
