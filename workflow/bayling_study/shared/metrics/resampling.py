"""Uncertainty: bootstrap intervals, paired tests, and the correction for many of them.

All systems of an item share the same resampled test sets and the same random exchanges, drawn from
a seed that depends on the study's seed, the suite and the item. So pairs are paired, and a resample
costs one row of a matrix product: (samples x segments) by (segments x statistics).

Conventions are those of sacreBLEU 2.6 (``significance.py``), which a test
holds this module to: p = (c + 1) / (samples + 1), two-sided.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bayling_study.core.errors import StudyError
from bayling_study.core.records import Key, grouped
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.metrics.measurement import Array, Measurement

Draw = Callable[[np.random.Generator, int, int], NDArray[np.generic]]
"""Returns how often segments count, shape (samples, segments)."""
TIE = 1e-9  # relative difference below which two differences count as equal: sums in another order
BLOCK = 512  # draws of one product; of a multiple of 32, numpy draws the same in parts as at once


@dataclass(frozen=True)
class Resampling:
    """How often to resample test sets and exchange answers, from the study's ``seed``;
    ``confidence`` is the probability that an interval covers."""

    samples: int
    confidence: float
    seed: int

    @property
    def level(self) -> float:
        """Probability of a mark where there is no difference."""
        return round(1 - self.confidence, 10)

    def seed_of(self, purpose: str, suite: str, item: str) -> int:
        """Returns the seed of one purpose on one item; systems do not enter."""
        return derive_seed(self.seed, purpose, suite, item)

    def enough_for(self, tests: int) -> "Resampling":
        """Returns the plan with samples enough that the smallest p, 1 / (samples + 1), passes Holm
        over ``tests``: with fewer no difference could be significant, however large."""
        least = math.floor(round(tests / self.level, 6))
        return replace(self, samples=max(self.samples, least))

    @property
    def wilson_method(self) -> str:
        """The same of rates of single judgements."""
        return f"Wilson score, judgements as independent, {100 * self.confidence:g} %"

    @property
    def method(self) -> str:
        """How intervals were made, for score files."""
        percent = f"{100 * self.confidence:g}"
        return f"percentile bootstrap over segments, {self.samples} samples, {percent} %"


def drawn_counts(generator: np.random.Generator, samples: int, segments: int) -> NDArray[np.int64]:
    """Draws segments with replacement (Koehn 2004), with sacreBLEU's generator calls, and returns
    how often each was drawn in each resample, shape (samples, segments)."""
    drawn = generator.choice(segments, size=(samples, segments), replace=True)
    drawn += np.arange(samples)[:, None] * segments
    return np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)


def drawn_mask(generator: np.random.Generator, samples: int, segments: int) -> NDArray[np.bool_]:
    """Returns random 0/1 choices of the segments that keep their system, (samples, segments)."""
    return generator.integers(2, size=(samples, segments), dtype=bool)


def drawn_sums(statistics: Sequence[Array], draw: Draw, plan: Resampling) -> list[Array]:
    """Returns sums over drawn sets of segments, the same for all, (samples, columns) each, with
    only ``BLOCK`` draws in memory; statistics have the shape (segments, columns). Equal columns
    (of references, of chrF2 in chrF++) are summed once. Whole numbers that no sum can bring to 2^24
    are exact in 32 bits, where a product takes half the time."""
    numbers: dict[bytes, int] = {}
    parts = [part.T.astype(np.float64) for part in statistics]
    places = [[numbers.setdefault(c.tobytes(), len(numbers)) for c in part] for part in parts]
    matrix = np.stack([np.frombuffer(column) for column in numbers], axis=1)
    largest = np.abs(matrix).max(axis=0) * len(matrix)
    whole = (largest < 2**24) & (matrix == np.rint(matrix)).all(axis=0)
    single, double = matrix[:, whole].astype(np.float32), matrix[:, ~whole]
    generator = np.random.default_rng(plan.seed)
    sums = np.empty((plan.samples, len(numbers)))
    for start in range(0, plan.samples, BLOCK):
        rows = sums[start : start + BLOCK]
        weights = draw(generator, len(rows), len(matrix)).astype(np.float32)
        rows[:, whole] = weights @ single
        if double.size:
            rows[:, ~whole] = weights @ double
    return [sums.take(part, axis=1) for part in places]


def all_sums(measured: Mapping[Key, Measurement], draw: Draw, plan: Resampling) -> dict[Key, Array]:
    """Returns sums of each one's statistics over the same drawn sets of segments."""
    result: dict[Key, Array] = {}
    for keys in grouped(measured, lambda key: len(measured[key].statistics)).values():
        sums = drawn_sums([measured[key].statistics for key in keys], draw, plan)
        result.update(zip(keys, sums, strict=True))
    return result


def finite(values: Array | Sequence[float], where: str | None = None) -> Array:
    """Returns values as they are (``StudyError`` says how many of them are not finite): NaN is
    never larger, which would look most significant."""
    array = np.asarray(values, dtype=np.float64)
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        what = f"{bad} of {array.size} values {'is' if bad == 1 else 'are'} no finite number"
        raise StudyError(what, where=where, fix="look for segments without a score")
    return array


def defined(values: Array, where: str | None = None) -> Array:
    """Returns resampled values without NaN, of test sets with nothing to divide by: any value that
    one gave these would shift the interval (``StudyError`` if none is left, or one is infinite)."""
    having = values[~np.isnan(values)]
    if not having.size:
        raise StudyError(f"none of {values.size} resamples has anything to divide by", where=where)
    return finite(having, where)


def interval(values: Array, confidence: float) -> tuple[float, float]:
    """Returns the percentile interval of resampled values, which must be ``finite``."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite(values), [tail, 1 - tail])
    return float(low), float(high)


def wilson(measurement: Measurement, confidence: float) -> tuple[float, float]:
    """Returns the score interval (Wilson 1927) of a rate of judgements, taken as independent, in
    per cent: a bootstrap of 0 of 5 or 5 of 5 has no width."""
    from scipy.stats import binomtest  # takes a second, which looking at results need not

    met, asked = (round(total) for total in measurement.statistics.sum(axis=0).tolist())
    found = binomtest(met, asked).proportion_ci(confidence, method="wilson")
    return 100 * float(found.low), 100 * float(found.high)


def p_value(null_differences: Array, difference: float) -> float:
    """Returns the share of differences under the null hypothesis that are as large as the observed.
    One is added to both counts, so that p is never 0 and never too small. Equal ones count, as in
    Riezler & Maxwell (2005) but not in sacreBLEU 2.6: where one answer of a hundred differs, every
    exchange gives the same difference, and a strict count would call the systems different."""
    finite(np.append(null_differences, difference))
    reaching = int(np.sum(null_differences >= difference * (1 - TIE)))
    return (reaching + 1) / (len(null_differences) + 1)


def paired_bootstrap(resamples: Array, difference: float) -> float:
    """Returns the p-value of the paired bootstrap test (Koehn 2004), centred as in sacreBLEU, from
    differences on the same resamples and the item's absolute ``difference``."""
    differences = np.abs(finite(resamples))
    return p_value(differences - differences.mean(), difference) if difference else 1.0


def exchanged(first: Measurement, second: Measurement, kept: tuple[Array, Array]) -> Array:
    """Returns differences under the null hypothesis of approximate randomisation. Riezler & Maxwell
    (2005): if the systems are alike, exchanging their answers to some segments changes nothing.
    ``kept`` has for each of the two the sums of statistics over the segments that an exchange
    leaves in place (``drawn_mask`` times the statistics); the others follow."""
    all_first, all_second = first.statistics.sum(axis=0), second.statistics.sum(axis=0)
    mixed_first = first.combine(kept[0] + all_second - kept[1])
    mixed_second = first.combine(kept[1] + all_first - kept[0])
    return np.asarray(mixed_first - mixed_second)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns Holm's step-down correction (1979) of a family of p-values, in their order."""
    order = np.argsort(finite(p_values))
    raised = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.maximum.accumulate(np.minimum(raised, 1.0))
    return [float(value) for value in corrected[np.argsort(order)]]


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Returns q-values (Benjamini & Hochberg 1995) of p-values, in their order: calling those below
    a level different keeps the expected share of false ones below it."""
    order = np.argsort(finite(p_values))[::-1]
    raised = np.asarray(p_values)[order] * len(order) / np.arange(len(order), 0, -1)
    corrected = np.minimum.accumulate(np.minimum(raised, 1.0))
    return [float(value) for value in corrected[np.argsort(order)]]
