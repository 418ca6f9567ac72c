"""Score files: the mean of each item with its bootstrap interval, and the segments' scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bayling_study.files import write_jsonl
from bayling_study.records import Score, write_scores
from bayling_study.scoring.comet.segments import Segment
from bayling_study.scoring.comet.settings import CometSettings
from bayling_study.seeds import derive_seed


def bootstrap_interval(
    values: list[float], samples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of the mean (Efron 1979; Koehn 2004).

    Args:
        values: one score a segment.
        samples: number of resamples, each of as many segments as there are.
        confidence: share of resampled means inside the interval.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    data = np.asarray(values)
    means = [data[generator.integers(len(data), size=len(data))].mean() for _ in range(samples)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def item_scores(
    segments: list[Segment],
    values: list[float],
    names: tuple[str, str, str],
    signature: str,
    settings: CometSettings,
) -> list[Score]:
    """Returns one mean an item, in the order of first appearance.

    Args:
        segments, values: the scored segments and their scores, in one order.
        names: the suite, the system and the metric.
        signature: what decides the values.
        settings: seed and size of the bootstrap. The seed does not depend on the system, so that
            all systems are resampled alike.
    """
    suite, system, metric = names
    groups: dict[str, list[int]] = {}
    for index, segment in enumerate(segments):
        groups.setdefault(segment.item, []).append(index)
    scores = []
    for item, members in groups.items():
        own = [values[index] for index in members]
        seed = derive_seed(settings.seed, "comet", suite, item)
        low, high = bootstrap_interval(own, settings.samples, settings.confidence, seed)
        empty = sum(not segments[index].triple.hypothesis for index in members)
        scores.append(
            Score(
                suite=suite,
                item=item,
                system=system,
                metric=metric,
                value=float(np.mean(own)),
                low=low,
                high=high,
                n=len(own),
                signature=signature,
                method=f"bootstrap of segments, {settings.samples} samples, "
                f"{settings.confidence:.0%}",
                note=f"{empty} empty hypotheses" if empty else "",
            )
        )
    return scores


def write_results(
    folder: Path, suite: str, scores: list[Score], segments: list[Segment], values: list[float]
) -> None:
    """Writes ``SUITE.json`` and ``SUITE.segments.jsonl`` into a system's folder."""
    metric = scores[0].metric
    write_scores(folder / f"{suite}.json", scores)
    write_jsonl(
        folder / f"{suite}.segments.jsonl",
        (
            {"id": segment.id, "metric": metric, "value": value}
            for segment, value in zip(segments, values, strict=True)
        ),
    )
