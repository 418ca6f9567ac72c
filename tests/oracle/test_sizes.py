"""The sizes by which a partial copy is known, held to the released files at hand."""

from __future__ import annotations

import pytest

from bayling_study.stages.report.whole_sets import EXAMS, QUESTIONS, WMT22
from helpers.released_answers import expected

pytestmark = pytest.mark.oracle


def test_sizes_are_those_of_the_release() -> None:
    translations = {row["lang_pair"]: row["segments"] for row in expected("wmt22")["hypotheses"]}
    assert len(translations) == 5 and translations.items() <= WMT22.items()
    exams = expected("exam")["results"]["vicuna-13b-1.1"]
    assert {row["task"]: row["total"] for row in exams} == EXAMS
    assert {case["n"] for case in expected("judge").values()} == {QUESTIONS}
    constrained = {row["file"].split(".")[-3]: row["n"] for row in expected("constrained")}
    assert constrained == {item: WMT22[item] for item in ("zh-en", "en-zh")}
