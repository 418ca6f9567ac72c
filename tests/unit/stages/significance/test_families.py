"""What is corrected together is what a table shows, and samples suffice for a mark in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, average
from bayling_study.shared.metrics.resampling import Resampling
from bayling_study.shared.metrics.segment_scores import SegmentScores
from bayling_study.stages.significance.__main__ import compare_suite
from bayling_study.stages.significance.families import Shown, corrected, method_statement
from bayling_study.stages.significance.pairs import item_tests
from helpers.scoring_cases import answers

REFERENCES = [f"the cat number {n} sat on the mat" for n in range(12)]
ELEVEN = [*(f"system-{number}" for number in range(10)), "empty"]
INT8 = Shown("tuned", {"small": "tuned", "other-small": "other"})


def chrf_rows(items: dict[str, list[str]], samples: int) -> list[dict[str, Any]]:
    """Compares systems of which all but those named for an item answer it right."""
    answered: dict[str, list[Answers]] = {name: [] for name in ELEVEN}
    for item, wrong in items.items():
        for name in ELEVEN:
            texts = [""] * 12 if name in wrong else REFERENCES
            answered[name].append(replace(answers(texts, REFERENCES), item=item))
    extra = {name: SegmentScores({}) for name in ELEVEN}
    plan, shown = Resampling(samples, 0.95, 3), Shown("system-0")
    options = Options(off_target=False)
    rows = compare_suite(answered, "translation", options, plan, extra, {}, shown)
    return [row for row in rows if row["metric"] == "chrf2"]


def marked(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(row["item"], row["system_b"]) for row in rows if row["significant"]]


def test_eleven_systems_of_which_one_is_empty_give_one_mark() -> None:
    rows = chrf_rows({"de-en": ["empty"]}, 100)
    assert [row["system_b"] for row in rows] == ELEVEN[1:]
    assert {row["samples"] for row in rows} == {200}  # ten comparisons at 5 %
    assert marked(rows) == [("de-en", "empty")]
    (row,) = (row for row in rows if row["significant"])
    assert row["p_adjusted"] == pytest.approx(10 / 201)


def test_one_difference_in_a_table_of_many_items_is_marked() -> None:
    """Holm over ten and Benjamini-Hochberg over three items: p times 30 is below the level."""
    rows = chrf_rows({"de-en": ["empty"], "cs-en": [], "zh-en": []}, 100)
    assert {row["samples"] for row in rows} == {600}
    assert marked(rows) == [("de-en", "empty")]
    assert max(row["q_table"] for row in rows if row["significant"]) == pytest.approx(30 / 601)


def test_more_samples_than_are_needed_stay() -> None:
    assert {row["samples"] for row in chrf_rows({"de-en": []}, 300)} == {300}


def test_pairs_are_those_of_the_baseline_and_of_8_bit_systems() -> None:
    systems = ["other", "tuned", "small", "other-small"]
    found = {pair: INT8.family(*pair) for pair in INT8.pairs(systems)}
    assert found == {
        ("other", "tuned"): "baseline",
        ("tuned", "small"): "baseline",
        ("tuned", "other-small"): "baseline",
        ("other", "other-small"): "export",
    }
    assert INT8.pairs(["tuned"]) == []


def test_all_pairs_are_compared_where_the_baseline_has_no_answers() -> None:
    systems = ["other", "small", "other-small"]
    found = {pair: INT8.family(*pair) for pair in INT8.pairs(systems)}
    assert found == {
        ("other", "small"): "pairs",
        ("other", "other-small"): "export",
        ("small", "other-small"): "pairs",
    }


def test_each_table_is_corrected_by_itself() -> None:
    draw = np.random.default_rng(1)
    systems: dict[str, dict[str, Measurement]] = {
        name: {"m": average("m", "s", draw.normal(place / 3, 1, 30).tolist())}
        for place, name in enumerate(("other", "tuned", "small", "other-small"))
    }
    plan = Resampling(100, 0.95, 1)
    rows = corrected(item_tests(systems, plan, INT8.pairs(systems)), plan, INT8)
    alone = [row for row in rows if row["family"] == "export"]
    assert [row["bootstrap_adjusted"] for row in alone] == [row["bootstrap"] for row in alone]
    three = [row for row in rows if row["family"] == "baseline"]
    smallest = min(row["bootstrap"] for row in three)
    assert min(row["bootstrap_adjusted"] for row in three) == pytest.approx(3 * smallest)


def test_samples_follow_the_largest_table() -> None:
    plan = Resampling(10, 0.95, 1)
    assert Shown("system-0").enough(plan, [ELEVEN] * 14).samples == 2800
    assert Shown("system-0").enough(plan, [ELEVEN, ELEVEN[:3], ["lonely"]]).samples == 400
    assert Shown("nobody").enough(plan, [ELEVEN]).samples == 1100
    assert Shown("nobody").enough(plan, [["lonely"]]).samples == 20
    assert INT8.enough(plan, [["other", "tuned", "small", "other-small"]]).samples == 60


def test_the_statement_names_the_baseline_and_the_family() -> None:
    stated = method_statement(Resampling(10, 0.95, 1), Shown("gpt-4"))
    assert stated["baseline"] == "gpt-4" and "each system with gpt-4" in stated["correction"]
    assert "each other one in 8 bits or another precision with its base" in stated["correction"]
