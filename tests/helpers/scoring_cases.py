"""Small prompts and hypotheses for the tests of scoring."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.metrics.measurement import Answers, Array, Measurement
from bayling_study.shared.metrics.resampling import drawn_counts


def bootstrap_weights(segments: int, samples: int, seed: int) -> NDArray[np.int64]:
    """Returns how often each segment is drawn in each resample, shape (samples, segments)."""
    return drawn_counts(np.random.default_rng(seed), samples, segments)


def resampled(measurement: Measurement, weights: NDArray[Any]) -> Array:
    """Returns the metric's value on each resampled test set, shape (samples,), by one product."""
    return measurement.combine(weights @ measurement.statistics)


def answers(
    texts: Sequence[str | list[str]],
    references: Sequence[str | list[str]],
    meta: Sequence[dict[str, Any]] | None = None,
    target: str = "en",
    item: str = "de-en",
) -> Answers:
    """Returns answers to one item; a text alone is a single turn."""
    given = [[text] if isinstance(text, str) else text for text in texts]
    expected = [[text] if isinstance(text, str) else text for text in references]
    prompts = [
        Prompt(
            f"{item}/{n}",
            "suite",
            item,
            {"target": target},
            ["…"] * len(turns),
            expected[n - 1],
            meta[n - 1] if meta else {},
        )
        for n, turns in enumerate(given, start=1)
    ]
    hypotheses = [
        Hypothesis(prompt.id, turns, [1] * len(turns), ["stop"] * len(turns))
        for prompt, turns in zip(prompts, given, strict=True)
    ]
    return Answers("suite", item, "system", Path("suite.jsonl"), prompts, hypotheses)


def values(measurements: list[Measurement]) -> dict[str, float]:
    """Returns each metric's value."""
    return {measurement.metric: measurement.value for measurement in measurements}
