"""Win, tie, loss, score sums and category means of the released reviews, exactly."""

from __future__ import annotations

from typing import Any

import pytest

from bayling_study.shared.metrics import win_rates
from bayling_study.shared.metrics.aggregates import pool
from bayling_study.shared.metrics.measurement import Measurement, Options
from helpers.released_answers import answers, by_metric, expected, oracle, rows

pytestmark = pytest.mark.oracle
EXPECTED = expected("judge")


def measured(name: str) -> dict[str, Measurement]:
    folder = oracle() / "bayling-release" / "exp" / "general_tasks" / "GPT4-REVIEW"
    released = rows(folder / f"{name}.jsonl")
    meta: list[dict[str, Any]] = [{"category": row["category"]} for row in released]
    texts = ["".join(row["review"]) for row in released]  # a text, or a list of one
    given = answers(name, "en", texts, [""] * len(texts), meta)
    return by_metric(win_rates.measure(given, Options()))


@pytest.mark.parametrize("name", EXPECTED)
def test_released_reviews(name: str) -> None:
    case, found = EXPECTED[name], measured(name)
    triple = [int(found[metric].value) for metric in ("win", "tie", "loss")]
    assert triple == case["figure_win_tie_loss"] == [case["win"], case["tie"], case["loss"]]
    assert len(found["win"].statistics) == case["n"]
    assert found["score-sum"].value == case["score_sum_system1"]
    assert found["score-sum-opponent"].value == case["score_sum_system2"]
    assert found["score-ratio"].value == pytest.approx(case["score_ratio_percent"], abs=1e-4)
    for category, (own, opponent) in case["category_means"].items():
        assert found[f"mean.{category}"].value == pytest.approx(own, abs=1e-4)
        assert found[f"mean-opponent.{category}"].value == pytest.approx(opponent, abs=1e-4)


def test_ratio_over_all_parts() -> None:
    """174.59 % against Alpaca over its four files (2741.0 against 1570.0)."""
    pooled = by_metric(list(pool([measured(name) for name in EXPECTED])))
    assert len(pooled["score-ratio"].statistics) == 320
    assert round(pooled["score-ratio"].value, 2) == 174.59
