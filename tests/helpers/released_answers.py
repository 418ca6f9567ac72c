"""Reads released files straight into scorable answers, for tests of the scorers alone.

Segment files are split at ``\\n`` only: some segments contain other Unicode line breaks.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.metrics.measurement import Answers, Measurement

SINGLE, SET, MATH = "single", "set", "math"


def oracle() -> Path:
    """Returns the folder of released files, or skips the test."""
    folder = os.environ.get("BAYLING_ORACLE", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no released files here; set BAYLING_ORACLE=DIR", allow_module_level=True)
    return Path(folder)


def expected(name: str) -> Any:
    """Returns one of the files of expected values."""
    return json.loads((oracle() / "expected" / f"{name}.json").read_text(encoding="utf-8"))


def lines(path: Path) -> list[str]:
    """Returns the segments of a one-segment-a-line file."""
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a JSON-lines file."""
    return [json.loads(line) for line in lines(path)]


def answers(
    item: str,
    target: str,
    texts: list[str],
    references: list[str],
    meta: list[dict[str, Any]] | None = None,
) -> Answers:
    """Returns single-turn answers with their references."""
    assert len(texts) == len(references)
    metas = meta or [{}] * len(texts)
    prompts = [
        Prompt(f"{item}/{n}", "suite", item, {"target": target}, ["…"], [reference], metas[n - 1])
        for n, reference in enumerate(references, start=1)
    ]
    hypotheses = [
        Hypothesis(prompt.id, [text], [0], ["unknown"])
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    return Answers("suite", item, "system", Path("suite.jsonl"), prompts, hypotheses)


def by_metric(measurements: list[Measurement]) -> dict[str, Measurement]:
    """Returns measurements by their metric's name, each of which must occur exactly once."""
    found = {measurement.metric: measurement for measurement in measurements}
    assert len(found) == len(measurements)
    return found
