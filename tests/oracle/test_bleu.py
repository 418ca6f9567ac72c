"""BLEU and chrF of the released translations, to 1e-4, with their signatures."""

from __future__ import annotations

from typing import Any

import pytest

from bayling_study.shared.metrics import overlap
from bayling_study.shared.metrics.measurement import Options
from helpers.released_answers import answers, by_metric, expected, lines, oracle

pytestmark = pytest.mark.oracle
CASES = expected("wmt22")["hypotheses"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"].split("benchmark/")[1])
def test_overlap_of_released_translations(case: dict[str, Any]) -> None:
    target = case["lang_pair"].split("-")[1]
    hypotheses, references = lines(oracle() / case["file"]), lines(oracle() / case["ref"])
    found = by_metric(
        overlap.measure(answers(case["lang_pair"], target, hypotheses, references), Options())
    )
    assert len(found["bleu"].statistics) == case["segments"]
    assert found["bleu"].value == pytest.approx(case["bleu"], abs=1e-4)
    assert found["chrf2"].value == pytest.approx(case["chrf2"], abs=1e-4)
    assert found["bleu"].signature == case["bleu_signature"]


def test_every_expected_file_is_a_case() -> None:
    assert len(CASES) == 11
