"""Sums over drawn segments: in parts as at once, and without what has no denominator."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics.measurement import average, mean, percentage, rate
from bayling_study.shared.metrics.resampling import (
    BLOCK,
    Resampling,
    defined,
    drawn_counts,
    drawn_mask,
    drawn_sums,
)
from bayling_study.stages.significance.pairs import Average, PairTest, item_tests
from helpers.scoring_cases import bootstrap_weights, resampled


def average_tests(items: list[list[PairTest]]) -> list[PairTest]:
    """Returns the tests of the mean over items."""
    found = Average()
    for tests in items:
        found.add(tests)
    return found.tests()


@pytest.mark.parametrize("segments", [1, 7, 64, 333])
def test_sums_in_blocks_are_those_of_one_product(segments: int) -> None:
    plan = Resampling(2 * BLOCK + 13, 0.95, 5)
    draw = np.random.default_rng(2)
    parts = [draw.integers(0, 90, (segments, columns)).astype(float) for columns in (10, 24)]
    weights = bootstrap_weights(segments, plan.samples, plan.seed)
    bits = np.random.default_rng(plan.seed).integers(2, size=weights.shape, dtype=bool)
    for whole, way in ((weights, drawn_counts), (bits.astype(float), drawn_mask)):
        found = drawn_sums(parts, way, plan)
        assert [one.shape for one in found] == [(plan.samples, 10), (plan.samples, 24)]
        assert all((one == whole @ part).all() for one, part in zip(found, parts, strict=True))


@pytest.mark.parametrize("largest", [2**24 / 50 - 1, 2**24 / 50, 2.0**40, 0.1])
def test_sums_of_large_numbers_and_of_fractions_are_not_rounded_to_32_bits(largest: float) -> None:
    """Of 50 segments sums below 2^24 are exact in 32 bits, others need 64, and so do fractions."""
    plan, draw = Resampling(200, 0.95, 5), np.random.default_rng(3)
    column = np.floor(draw.random((50, 1)) * largest) if largest > 1 else draw.random((50, 1))
    column[0] = np.floor(largest) if largest > 1 else largest
    small = draw.integers(0, 9, (50, 2)).astype(float)
    (found,) = drawn_sums([np.hstack([small, column])], drawn_counts, plan)
    assert found.shape == (200, 3)
    for row, weights in zip(found, bootstrap_weights(50, 200, 5), strict=True):
        assert (row[:2] == weights @ small).all()
        exact = math.fsum((weights * column[:, 0]).tolist())
        assert row[2] == (exact if largest > 1 else pytest.approx(exact, rel=1e-14))


def test_equal_columns_keep_their_places() -> None:
    """A column of one system may be another's, or its own a second time."""
    plan, one = Resampling(64, 0.95, 5), np.arange(12.0).reshape(6, 2)
    other = np.stack([one[:, 1], -one[:, 0], one[:, 1]], axis=1)
    found = drawn_sums([one, other], drawn_counts, plan)
    weights = bootstrap_weights(6, 64, 5)
    assert all((a == weights @ b).all() for a, b in zip(found, (one, other), strict=True))
    assert all(sums.flags.c_contiguous for sums in found)


def test_a_resample_without_a_denominator_has_no_value() -> None:
    """Of three segments one counts, and it is right: 0 of 0 is not 0 %."""
    one = rate("share", "s", [1.0, 0.0, 0.0], [1.0, 0.0, 0.0])
    values = resampled(one, bootstrap_weights(3, 1000, 1))
    empty = int(np.isnan(values).sum())
    assert 240 < empty < 350  # (2/3)^3 of 1,000
    assert set(defined(values)) == {100.0} and len(defined(values)) == 1000 - empty
    weighted = average("mean", "s", [7.0, 0.0, 0.0], weights=[1.0, 0.0, 0.0])
    assert set(defined(resampled(weighted, bootstrap_weights(3, 1000, 1)))) == {7.0}
    assert np.isnan(percentage(np.zeros(2))) and np.isnan(mean(np.zeros(2)))


def test_no_resample_with_a_denominator_is_an_error() -> None:
    with pytest.raises(StudyError, match="share of a and b: none of 3 resamples"):
        defined(np.full(3, np.nan), "share of a and b")


def test_a_comparison_says_how_many_resamples_had_a_value() -> None:
    found = {
        "a": {"share": rate("share", "s", [1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0])},
        "b": {"share": rate("share", "s", [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0])},
    }
    plan = Resampling(400, 0.95, 1)
    (test,) = item_tests(found, plan, [("a", "b")])
    row = test.row(plan)
    assert row["difference"] == 100.0 and (row["low"], row["high"]) == (100.0, 100.0)
    assert row["samples"] == min(len(defined(test.resamples)), len(defined(test.exchanges)))
    assert 200 < row["samples"] < 320
    (together,) = average_tests([[test], [test]])
    assert together.row(plan)["low"] == 100.0
