"""What the ranks say: shares of first places, mean ranks, and how far annotators agree."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from bayling_study.commands.ranking.sheet import ABILITIES, Key, Ranks
from bayling_study.core.records import Score, write_scores
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.metrics.measurement import Array
from bayling_study.shared.metrics.resampling import drawn_counts
from bayling_study.shared.score_files import PEOPLE

SAMPLES = 1000
CONFIDENCE = 0.95
BOUNDS = [50 * (1 - CONFIDENCE), 100 - 50 * (1 - CONFIDENCE)]
METHOD = f"percentile bootstrap over rows, {SAMPLES} samples, {100 * CONFIDENCE:g} %"


def scores(annotators: Sequence[Ranks], key: Key, seed: int) -> list[Score]:
    """Returns shares of first places (in percent), mean ranks and agreement. Rows are resampled
    with all their annotators, for ranks of one row are not independent. Systems that share the
    first place share its credit; systems that share a rank have the mean of the places that they
    take."""
    found: list[Score] = []
    signature = f"ranking|systems:{len(key.systems)}|ties:shared|version:1"
    for ability in ABILITIES:
        # (annotators, rows, systems): the places that the ranks mean
        table = np.array([places(ranks[ability], key) for ranks in annotators])
        rows = table.shape[1]
        generator = np.random.default_rng(derive_seed(seed, "ranking", ability))
        weights = drawn_counts(generator, SAMPLES, rows) / rows
        note = f"{len(annotators)} annotator(s)"
        note += f"; {_agreement(table)}" if len(annotators) > 1 else ""
        best = table == table.min(axis=-1, keepdims=True)
        firsts = 100.0 * best / best.sum(axis=-1, keepdims=True)
        for metric, values in (("first-place-share", firsts), ("mean-rank", table)):
            per_row = values.mean(axis=0)  # (rows, systems)
            low, high = np.percentile(weights @ per_row, BOUNDS, axis=0)
            for column, system in enumerate(key.systems):
                name = (key.suite, ability.replace("_", "-"), system, metric)
                value = float(per_row[:, column].mean())
                bounds = float(low[column]), float(high[column])
                found.append(Score(*name, value, *bounds, rows, signature, METHOD, note))
    return found


def write_found(study: Path, key: Key, found: list[Score]) -> Path:
    """Adds scores to those of a study, which the next report shows; returns their file."""
    path = study / PEOPLE / f"{key.suite}.json"
    write_scores(path, found)
    return path


def places(ranks: dict[str, dict[str, int]], key: Key) -> Array:
    """Returns the places that ranks mean, from 1, (rows, systems); equal ones share theirs."""
    from scipy.stats import rankdata  # takes a second, and a sheet needs none

    given = [[ranks[item][system] for system in key.systems] for item in key.orders]
    return np.asarray(rankdata(given, axis=1))


def _agreement(table: Array) -> str:
    """Returns agreement in words: on all ranks, and on who is best."""
    alpha = krippendorff_alpha(table.reshape(len(table), -1))
    pairs = [float(np.mean(a == b)) for a, b in combinations(table.argmin(axis=-1), 2)]
    shown = "undefined" if alpha is None else f"{alpha:.3f}"
    return f"Krippendorff's alpha (ordinal) {shown}; same best answer {100 * np.mean(pairs):.1f} %"


def krippendorff_alpha(ratings: Array) -> float | None:
    """Returns Krippendorff's alpha for ordinal ratings; 1 is perfect, 0 is chance.

    Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011.

    Ratings are (annotators, units), NaN where one did not rate. Units with fewer than two do
    not count. None: all ratings are equal, for which alpha is undefined.
    """
    rated = ratings[:, (~np.isnan(ratings)).sum(axis=0) > 1]
    values = np.unique(rated[~np.isnan(rated)])
    # counts: how often each value was given to each unit, (units, values)
    counts = np.stack([(rated == value).sum(axis=0) for value in values], axis=1).astype(float)
    pairable = counts.sum(axis=1, keepdims=True)
    within = counts[:, :, None] * counts[:, None, :]
    within[:, range(len(values)), range(len(values))] -= counts
    observed = (within / (pairable - 1)[:, :, None]).sum(axis=0)
    totals = observed.sum(axis=1)
    # squared distances of ordered values: the ratings between them, ends counted half
    middles = totals.cumsum() - totals / 2
    distance = np.subtract.outer(middles, middles) ** 2
    expected = float((np.outer(totals, totals) * distance).sum())
    if expected == 0:
        return None
    return 1 - float(totals.sum() - 1) * float((observed * distance).sum()) / expected
