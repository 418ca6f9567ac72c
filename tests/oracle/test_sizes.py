"""The sizes by which a partial copy is known, held to the released files at hand."""

from __future__ import annotations

import pytest

from bayling_study.config import load_config
from bayling_study.stages.report.published_table import whole_sizes
from helpers import ROOT
from helpers.released_answers import expected

pytestmark = pytest.mark.oracle


def test_sizes_are_those_of_the_release() -> None:
    sizes = whole_sizes(load_config(ROOT / "config" / "studies" / "replay.yaml").suites)
    wmt22, constrained, exams = (
        {item: n for (suite, item), n in sizes.items() if suite == name}
        for name in ("wmt22", "constrained", "exams")
    )
    translations = {row["lang_pair"]: row["segments"] for row in expected("wmt22")["hypotheses"]}
    assert len(translations) == 5 and translations.items() <= wmt22.items()
    rows = expected("exam")["results"]["vicuna-13b-1.1"]
    assert {row["task"]: row["total"] for row in rows}.items() <= exams.items()
    judged = {name.partition(".vs.")[2]: case["n"] for name, case in expected("judge").items()}
    assert judged == {item: sizes["bayling-80", item] for item in judged}
    released = {row["file"].split(".")[-3]: row["n"] for row in expected("constrained")}
    assert released.items() <= constrained.items() and len(released) == 2
