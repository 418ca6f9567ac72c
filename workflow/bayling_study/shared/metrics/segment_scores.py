"""Segment scores that another program computed (COMET), as measurements."""

import math
from collections.abc import Iterable
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_jsonl
from bayling_study.core.records import Prompt
from bayling_study.shared.metrics.measurement import Measurement, average

SegmentScores = dict[str, dict[str, float]]
"""A system's scores: metric to prompt id to value."""


def means(scores: SegmentScores, prompts: list[Prompt]) -> list[Measurement]:
    """Returns the mean of each metric that has a score for every one of the prompts."""
    return [
        average(metric, "mean of segment scores", [found[prompt.id] for prompt in prompts])
        for metric, found in scores.items()
        if all(prompt.id in found for prompt in prompts)
    ]


def read_segment_scores(paths: Iterable[Path]) -> SegmentScores:
    """Reads ``{id, metric, value}`` rows of those files that are there (``StudyError`` names the
    line of a row that lacks a field, is not finite or is duplicated)."""
    values: SegmentScores = {}
    for path in filter(Path.is_file, paths):
        for number, row in enumerate(read_jsonl(path), start=1):
            where = f"{path}:{number}"
            if not isinstance(row, dict) or set(row) != {"id", "metric", "value"}:
                raise StudyError("a row has the fields id, metric and value", where=where)
            if not isinstance(row["value"], int | float) or not math.isfinite(row["value"]):
                raise StudyError(f"{row['value']!r} is not a finite number", where=where)
            scores = values.setdefault(row["metric"], {})
            if row["id"] in scores:
                raise StudyError(f"{row['metric']} of {row['id']!r} is duplicated", where=where)
            scores[row["id"]] = float(row["value"])
    return values
