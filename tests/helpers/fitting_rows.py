"""What the corpora stage makes of a reader's rows: those that fit, or a refusal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bayling_study.stages.corpora.tally import CorpusTally


def fitting(rows: Iterable[Any], tally: CorpusTally | None = None) -> list[Any]:
    """Returns the rows that fit their format, counted as one group ``rows``."""
    counts = tally or CorpusTally()
    found = []
    for row in counts.fitting(rows, "rows"):
        counts.read("rows")
        found.append(row)
    return found
