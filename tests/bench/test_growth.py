"""The arithmetic of ``growth.py``: exponents, and what breaks first."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from growth_parts import points as table
from growth_parts.laws import exponent, first_limit, predicted, reached
from growth_parts.points import Cost, Point

LINE = [(10.0, 25.0), (30.0, 65.0), (100.0, 205.0)]
"""5 + 2 × work."""
SQUARE = [(2.0, 0.4), (8.0, 6.4), (32.0, 102.4)]
"""0.1 × work²."""
LEVEL = [(1e5, 700.0), (1e6, 690.0), (1e7, 730.0)]
"""Does not grow, as far as measurements can tell."""


def test_the_exponent_is_the_slope_of_logarithms() -> None:
    assert exponent(SQUARE) == pytest.approx(2.0)
    assert exponent([(1.0, 3.0), (4.0, 3.0), (16.0, 3.0)]) == pytest.approx(0.0)
    # the best line through (0, 0), (1, 1) and (2, 0.5) rises by 1 / 4
    logs = [(0.0, 0.0), (1.0, 1.0), (2.0, 0.5)]
    assert exponent([(math.exp(x), math.exp(y)) for x, y in logs]) == pytest.approx(0.25)


def test_one_size_has_no_exponent() -> None:
    assert exponent([]) is None
    assert exponent([(5.0, 1.0), (5.0, 2.0)]) is None
    assert predicted([(5.0, 1.0)], 10.0) is None
    assert reached([(5.0, 1.0)], 10.0) is None


def test_lines_and_powers_are_continued_as_what_they_are() -> None:
    assert predicted(LINE, 1000.0) == pytest.approx(2005.0)
    assert predicted(SQUARE, 100.0) == pytest.approx(1000.0)
    assert reached(LINE, 2005.0) == pytest.approx(1000.0)
    assert reached(SQUARE, 1000.0) == pytest.approx(100.0)


def test_nothing_is_said_of_what_is_far_off_or_does_not_grow() -> None:
    assert reached(LINE, 5 + 2 * 100_001.0) is None
    assert reached(LINE, 5 + 2 * 99_999.0) == pytest.approx(99_999.0)
    assert reached(LEVEL, 1000.0) is None
    assert reached([(1.0, 100.0), (2.0, 111.0)], 1e300) is None
    assert reached([(1.0, 196.0), (3.0, 184.0), (10.0, 213.0)], 1000.0) is None  # up and down


def test_what_breaks_first_is_what_is_reached_with_the_least_work() -> None:
    costs = {"memory": LINE, "disk": SQUARE}
    found = first_limit(costs, {"memory": 2005.0, "disk": 1000.0})
    assert found is not None
    assert (found.resource, found.work) == ("disk", pytest.approx(100.0))
    found = first_limit(costs, {"memory": 405.0, "disk": 1e5})
    assert found is not None
    assert (found.resource, found.work) == ("memory", pytest.approx(200.0))
    assert first_limit({"memory": LEVEL, "disk": LEVEL}, {"memory": 1e9, "disk": 1e9}) is None


def test_times_add_up_and_peaks_do_not() -> None:
    both = Cost(10.0, 8.0, 500, 20, 0.5).then(Cost(30.0, 9.0, 300, 40, 1.5))
    assert both == Cost(40.0, 17.0, 500, 40, 1.25)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [
        Point("tokens", "tuning", 1.0, size, 250.5 * size, 1.25, 2.5, 3, 4, 0.5, 1.5, "abc+")
        for size in (16.0, 1.0)
    ]
    other = rows[0]._replace(scale=0.01)
    path = tmp_path / "growth.tsv"
    assert table.read(path) == []
    table.write(path, [*rows, other])
    assert table.read(path) == [*rows, other]
    assert table.series(table.read(path), 1.0) == {("tuning", "tokens"): rows[::-1]}
