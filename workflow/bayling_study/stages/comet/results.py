"""Means of items and of averages over items, with intervals."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bayling_study.core.records import Score, grouped
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.metrics.measurement import Array
from bayling_study.shared.metrics.one_form import MARK
from bayling_study.shared.metrics.resampling import interval
from bayling_study.stages.comet.scorable import Scorable
from bayling_study.stages.comet.settings import CometSettings


class ItemMean(NamedTuple):
    """The mean score of an item on all its ``n`` segments, of which some hypotheses are ``empty``,
    and on each resampled test set; ``form`` is its signature's mark where a text was not in NFC."""

    value: float
    resamples: Array
    n: int
    empty: int
    form: str


def resampled_means(values: list[float], samples: int, seed: int) -> Array:
    """Returns the mean of each resampled test set, of as many segments (Efron 1979; Koehn 2004)."""
    generator = np.random.default_rng(seed)
    data = np.asarray(values)
    means = [data[generator.integers(len(data), size=len(data))].mean() for _ in range(samples)]
    return np.asarray(means)


def item_scores(
    segments: list[Scorable],
    values: list[float],
    names: tuple[str, str, str],
    signature: str,
    settings: CometSettings,
    groups: Mapping[str, list[str]],
) -> list[Score]:
    """Returns one mean an item, in the order of first appearance, then the averages over items.
    ``names`` are the suite, the system and the metric; the seed does not depend on the system, so
    that all are resampled alike. ``groups`` are averages, made if all their items are there."""
    suite, system, metric = names
    means = _item_means(segments, values, suite, settings)
    empty = {item: f"{one.empty} empty hypotheses" for item, one in means.items() if one.empty}
    rows = [(item, found, signature, empty.get(item, "")) for item, found in means.items()]
    for name, items in groups.items():
        if means.keys() >= {*items}:
            text, average = f"mean of {len(items)} items", _average([means[item] for item in items])
            rows.append((name, average, f"{text}|{signature}", f"plain {text}"))
    method = f"bootstrap of segments, {settings.samples} samples, {settings.confidence:.0%}"
    scores = []
    for item, found, text, note in rows:
        low, high = interval(found.resamples, settings.confidence)
        what, about = (suite, item, system, metric), (text + found.form, method, note)
        scores.append(Score(*what, found.value, low, high, found.n, *about))
    return scores


def _item_means(
    segments: list[Scorable], values: list[float], suite: str, settings: CometSettings
) -> dict[str, ItemMean]:
    means = {}
    pairs = zip(segments, values, strict=True)
    for item, members in grouped(pairs, lambda pair: pair[0].item).items():
        own = [value for _, value in members]
        seed = derive_seed(settings.seed, "comet", suite, item)
        resamples = resampled_means(own, settings.samples, seed)
        empty = sum(not segment.triple.hypothesis for segment, _ in members)
        form = MARK if any(segment.changed for segment, _ in members) else ""
        means[item] = ItemMean(float(np.mean(own)), resamples, len(own), empty, form)
    return means


def _average(members: list[ItemMean]) -> ItemMean:
    """Returns the plain mean over items; their resamples are independent of each other."""
    return ItemMean(
        float(np.mean([member.value for member in members])),
        np.mean([member.resamples for member in members], axis=0),
        sum(member.n for member in members),
        sum(member.empty for member in members),
        max(member.form for member in members),
    )
