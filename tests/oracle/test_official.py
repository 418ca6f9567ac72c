"""An independent check: the WMT22 organisers' own BLEU and chrF, to 1e-6.

For Japanese the organisers used sacreBLEU's tokenizer ``char``.
"""

from __future__ import annotations

from typing import Any

import pytest

from bayling_study.shared.metrics import overlap
from bayling_study.shared.metrics.measurement import Options
from helpers.released_answers import answers, by_metric, expected, lines, oracle

pytestmark = pytest.mark.oracle
CASES = expected("wmt22")["wmt22_official"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_scores_of_the_organisers(case: dict[str, Any]) -> None:
    target = case["lang_pair"].split("-")[1]
    hypotheses, references = lines(oracle() / case["file"]), lines(oracle() / case["ref"])
    options = Options({"ja": ["ja-mecab", "char"]})
    found = by_metric(
        overlap.measure(answers(case["lang_pair"], target, hypotheses, references), options)
    )
    metric = "bleu-char" if case["bleu_tokenize"] == "char" else "bleu"
    assert found[metric].value == pytest.approx(case["published_bleu"], abs=1e-6)
    assert found["chrf2"].value == pytest.approx(case["published_chrf2"], abs=1e-6)
