"""Intervals and paired tests: sacreBLEU's own results, Holm's correction, pairing."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest
from scipy.stats import binomtest

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import overlap
from bayling_study.shared.metrics.measurement import Measurement, Options, average, rate
from bayling_study.shared.metrics.resampling import (
    Resampling,
    benjamini_hochberg,
    drawn_mask,
    holm,
    interval,
    p_value,
    paired_bootstrap,
)
from bayling_study.stages.significance.families import Shown, correct_table, corrected
from bayling_study.stages.significance.pairs import Average, PairTest, item_tests
from helpers.scoring_cases import answers, bootstrap_weights, resampled

SEED = 12345
WORDS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]


def average_tests(items: list[list[PairTest]]) -> list[PairTest]:
    """Returns the tests of the mean over items."""
    found = Average()
    for tests in items:
        found.add(tests)
    return found.tests()


def compare_item(
    systems: dict[str, dict[str, Measurement]], plan: Resampling
) -> list[dict[str, Any]]:
    """Every system with the first one on one item, corrected."""
    shown = Shown(next(iter(systems)))
    return corrected(item_tests(systems, plan, shown.pairs(systems)), plan, shown)


@pytest.fixture
def fixed_seed() -> Iterator[None]:
    """sacreBLEU reads its seed from the environment."""
    before = os.environ.get("SACREBLEU_SEED")
    os.environ["SACREBLEU_SEED"] = str(SEED)
    yield
    os.environ.pop("SACREBLEU_SEED")
    if before is not None:
        os.environ["SACREBLEU_SEED"] = before


def systems(size: int = 60) -> tuple[dict[str, list[str]], list[str]]:
    draw = random.Random(3)
    references = [" ".join(draw.choices(WORDS, k=12)) for _ in range(size)]
    found = {}
    for name, share in (("one", 0.75), ("two", 0.7), ("three", 0.4)):
        found[name] = [
            " ".join(w if draw.random() < share else draw.choice(WORDS) for w in text.split())
            for text in references
        ]
    return found, references


def measured(hypotheses: list[str], references: list[str]) -> dict[str, Measurement]:
    found = overlap.measure(answers(hypotheses, references), Options())
    return {measurement.metric: measurement for measurement in found}


@pytest.mark.parametrize(("test", "column"), [("bs", "bootstrap"), ("ar", "randomisation")])
def test_p_values_are_sacrebleus(fixed_seed: None, test: str, column: str) -> None:
    found, references = systems()
    metrics = {"BLEU": BLEU(references=[references]), "chrF2": CHRF(references=[references])}
    _, results = PairedTest(
        list(found.items()), metrics, references=None, test_type=test, n_samples=200
    )()
    expected = {
        "bleu": [r.p_value for r in results["BLEU"][1:]],
        "chrf2": [r.p_value for r in results["chrF2"][1:]],
    }
    plan = Resampling(samples=200, confidence=0.95, seed=SEED)
    rows = compare_item({name: measured(texts, references) for name, texts in found.items()}, plan)
    for metric, values in expected.items():
        own = [row[column] for row in rows if row["metric"] == metric and row["system_a"] == "one"]
        assert own == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize("size", [1, 100])
def test_one_answer_that_differs_is_no_significant_difference(size: int) -> None:
    """Every exchange gives the same difference, which sacreBLEU 2.6 counts as none."""
    references = [f"The {number} red lamps of the house are on tonight" for number in range(size)]
    other = ["The red house", *references[1:]]
    found = {"one": measured(references, references), "two": measured(other, references)}
    rows = compare_item(found, Resampling(samples=1000, confidence=0.95, seed=SEED))
    assert {row["metric"] for row in rows} >= {"bleu", "chrf2"}
    assert all(row["randomisation"] == 1.0 and not row["significant"] for row in rows)


@pytest.mark.parametrize(("first", "second"), [(8, 2), (9, 1), (6, 0), (30, 12)])
def test_randomisation_of_right_and_wrong_answers_is_the_sign_test(first: int, second: int) -> None:
    ours = [1.0] * first + [0.0] * second + [1.0] * 50
    theirs = [0.0] * first + [1.0] * second + [1.0] * 50
    pair = {name: {"accuracy": average("accuracy", "s", values)}
            for name, values in (("one", ours), ("two", theirs))}  # fmt: skip
    (row,) = compare_item(pair, Resampling(samples=20_000, confidence=0.95, seed=SEED))
    exact = binomtest(first, first + second).pvalue
    assert row["randomisation"] == pytest.approx(exact, rel=0.2, abs=0.003)


def test_resamples_are_sacrebleus(fixed_seed: None) -> None:
    found, references = systems()
    metric = BLEU(references=[references])
    score = metric.corpus_score(found["one"], None, n_bootstrap=100)
    own = resampled(measured(found["one"], references)["bleu"], bootstrap_weights(60, 100, SEED))
    assert own.mean() == pytest.approx(score._mean, abs=1e-4)
    low, high = interval(own, 0.95)
    assert (high - low) / 2 == pytest.approx(score._ci, abs=0.35)


def test_resamples_draw_as_many_segments_and_masks_are_even() -> None:
    weights, mask = bootstrap_weights(50, 300, 1), drawn_mask(np.random.default_rng(1), 300, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert set(np.unique(mask)) == {0, 1} and abs(mask.mean() - 0.5) < 0.02
    assert (bootstrap_weights(50, 300, 1) == weights).all()
    assert (bootstrap_weights(50, 300, 2) != weights).any()


def test_interval_of_a_mean_covers_as_often_as_it_says() -> None:
    draw, hits = np.random.default_rng(5), 0
    for trial in range(200):
        values = average("m", "s", draw.normal(0.0, 1.0, 80).tolist())
        low, high = interval(resampled(values, bootstrap_weights(80, 300, trial)), 0.9)
        hits += low <= 0 <= high
    assert 0.84 <= hits / 200 <= 0.96


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_a_clear_difference_is_significant_and_none_is_not() -> None:
    draw = np.random.default_rng(7)
    right = (draw.random(200) < 0.8).astype(float)
    wrong = (draw.random(200) < 0.4).astype(float)
    ones = [1.0] * 200
    found = {
        "good": {"accuracy": rate("accuracy", "s", right.tolist(), ones)},
        "same": {"accuracy": rate("accuracy", "s", right.tolist(), ones)},
        "bad": {"accuracy": rate("accuracy", "s", wrong.tolist(), ones)},
    }
    rows = compare_item(found, Resampling(500, 0.95, 1))
    marks = {(row["system_a"], row["system_b"]): row for row in rows}
    assert marks["good", "bad"]["significant"] and set(marks) == {("good", "bad"), ("good", "same")}
    assert not marks["good", "same"]["significant"]
    assert marks["good", "same"]["difference"] == 0
    assert marks["good", "bad"]["p_adjusted"] >= marks["good", "bad"]["bootstrap"]
    low, high = marks["good", "bad"]["low"], marks["good", "bad"]["high"]
    assert low <= marks["good", "bad"]["difference"] <= high


def test_equal_systems_are_rarely_called_different() -> None:
    draw, called = np.random.default_rng(11), 0
    for trial in range(100):
        pair = {
            name: {"comet": average("comet", "s", draw.normal(0.7, 0.1, 100).tolist())}
            for name in ("a", "b")
        }
        called += compare_item(pair, Resampling(200, 0.95, trial))[0]["significant"]
    assert called <= 12


def test_the_order_of_systems_does_not_decide() -> None:
    found, references = systems(30)
    one, two = (measured(found[name], references) for name in ("one", "two"))
    plan = Resampling(100, 0.95, 9)
    forward = compare_item({"one": one, "two": two}, plan)[0]
    backward = compare_item({"two": two, "one": one}, plan)[0]
    assert forward["bootstrap"] == backward["bootstrap"]
    assert forward["difference"] == -backward["difference"]
    assert replace(plan, seed=10).seed_of("x", "s", "i") != plan.seed_of("x", "s", "i")


def test_ceilings_are_not_compared() -> None:
    ones = rate("gold-ceiling", "s", [1.0], [1.0])
    assert (
        compare_item(
            {"a": {"gold-ceiling": ones}, "b": {"gold-ceiling": ones}}, Resampling(9, 0.9, 1)
        )
        == []
    )


def test_benjamini_hochberg() -> None:
    # Benjamini & Hochberg (1995), the fifteen p-values of their section 3.2
    values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    values += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    found = benjamini_hochberg(values)
    assert sum(value < 0.05 for value in found) == 4
    assert found[3] == pytest.approx(0.0095 * 15 / 4) and found[-1] == 1.0
    assert benjamini_hochberg(values[::-1]) == found[::-1]
    assert benjamini_hochberg([]) == []


def test_a_table_of_many_items_loses_its_chance_marks() -> None:
    plan = Resampling(100, 0.95, 1)
    row = {"metric": "bleu", "system_a": "a", "system_b": "b", "significant": True}
    rows = [row | {"item": "one", "p_adjusted": 0.04}]
    rows += [row | {"item": str(n), "p_adjusted": 0.6, "significant": False} for n in range(19)]
    assert not any(found["significant"] for found in correct_table(rows, plan))
    alone = correct_table(rows[:1], plan)
    assert alone[0]["significant"] and alone[0]["q_table"] == 0.04


def test_averages_are_tested_with_the_items_together() -> None:
    draw = np.random.default_rng(4)
    items, total = [], np.zeros(2)
    for item in range(12):
        better, worse = draw.normal(0.55, 0.3, 40), draw.normal(0.45, 0.3, 40)
        found = {
            "better": {"comet": average("comet", "s", better.tolist())},
            "worse": {"comet": average("comet", "s", worse.tolist())},
        }
        total += better.mean() / 12, worse.mean() / 12
        items.append(item_tests(found, Resampling(300, 0.95, item), [("better", "worse")]))
    alone = sum(compare_alone["significant"] for tests in items for compare_alone in rows(tests))
    (together,) = rows(average_tests(items))
    assert together["significant"] and alone < 12
    assert (together["value_a"], together["value_b"]) == pytest.approx(tuple(total))
    assert together["n"] == 480 and together["low"] < together["difference"] < together["high"]


def rows(tests: list[PairTest]) -> list[dict[str, object]]:
    return corrected(tests, Resampling(300, 0.95, 1), Shown("better"))


def test_an_average_needs_the_pair_on_every_item_that_has_the_metric() -> None:
    def item(*systems: str, metric: str = "bleu") -> list[PairTest]:
        found = {s: {metric: average(metric, "s", [1.0, 0.0, len(s)])} for s in systems}
        return item_tests(found, Resampling(20, 0.95, 1), Shown(systems[0]).pairs(systems))

    assert len(average_tests([item("a", "bb"), item("a", "bb", "ccc")])) == 1
    assert len(average_tests([item("a", "bb"), item("a", "bb", metric="comet")])) == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_has_no_p_value(bad: float) -> None:
    """NaN compares as false, so that one among 99 differences used to get the smallest p of all."""
    broken = np.append(np.linspace(-1, 1, 98), bad)
    with pytest.raises(StudyError, match="1 of 100 values is no finite number"):
        p_value(broken, 0.5)
    with pytest.raises(StudyError, match="no finite number"):
        p_value(broken[:98], bad)
    with pytest.raises(StudyError, match="no finite number"):
        paired_bootstrap(broken, 0.5)
    with pytest.raises(StudyError, match="no finite number"):
        interval(broken, 0.95)
    with pytest.raises(StudyError, match="no finite number"):
        holm([0.01, bad])
    with pytest.raises(StudyError, match="no finite number"):
        benjamini_hochberg([0.01, bad])


def test_a_pair_that_is_no_number_is_named() -> None:
    endless = np.append(np.zeros(9), float("inf"))
    test = PairTest("comet", "sig", ("one", "two"), (1.0, 0.5), 10, endless, np.zeros(10))
    plan = Resampling(samples=10, confidence=0.95, seed=SEED)
    nan = replace(test, values=(1.0, float("nan")), resamples=np.zeros(10))
    for broken in (test, replace(test, resamples=np.zeros(10), exchanges=endless), nan):
        with pytest.raises(StudyError, match=r"comet of one and two: .*no finite number"):
            broken.row(plan)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("tests", [1, 2, 3, 10, 55, 190])
def test_the_smallest_p_passes_and_one_sample_less_does_not(tests: int, confidence: float) -> None:
    samples = Resampling(1, confidence, SEED).enough_for(tests).samples
    level = round(1 - confidence, 10)
    assert tests / (samples + 1) < level <= tests / samples
