"""Constraint counts of the released constrained translations, exactly; BLEU to two decimals."""

from __future__ import annotations

from typing import Any

import pytest

from bayling_study.shared.metrics import translation
from bayling_study.shared.metrics.measurement import Options
from helpers.released_answers import answers, by_metric, expected, oracle, rows

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize(
    "case", expected("constrained"), ids=lambda case: case["file"].split("/")[-1]
)
def test_constraints_of_released_translations(case: dict[str, Any]) -> None:
    released = rows(oracle() / case["file"])
    direction = case["file"].split("hypo.")[1].split(".")[0]
    given = answers(
        direction,
        direction.split("-")[1],
        [row["hypo"] for row in released],
        [row["tgt"] for row in released],
        [{"constraints": row["constraint"]} for row in released],
    )
    found = by_metric(translation.measure_constrained(given, Options()))
    met, asked = found["constraint-rate"].statistics.sum(axis=0).tolist()
    assert (met, asked) == (case["constraints_hit"], case["constraints_total"])
    assert len(found["bleu"].statistics) == case["n"]
    assert f"tok:{case['bleu_tokenize']}|" in found["bleu"].signature
    rounded = {
        "constraint-rate": case["constraint_rate"],
        "constraint-rate-folded": case["constraint_rate_casefold"],
        "constraint-all": case["sentences_all_constraints"],
        "bleu": case["bleu"],
    }
    assert {name: round(found[name].value, 2) for name in rounded} == rounded
