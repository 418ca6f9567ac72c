"""Systems are compared on the segments that both of them have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bayling_study.shared.metrics.measurement import Answers, Options
from bayling_study.shared.metrics.resampling import Resampling
from bayling_study.shared.metrics.segment_scores import SegmentScores
from bayling_study.stages.significance.__main__ import compare_suite
from bayling_study.stages.significance.families import Shown
from helpers.scoring_cases import answers

REFERENCES = [f"the cat number {n} sat on the mat" for n in range(12)]
PLAN = Resampling(200, 0.95, 1)


def part(of: Answers, start: int, stop: int) -> Answers:
    return replace(of, prompts=of.prompts[start:stop], hypotheses=of.hypotheses[start:stop])


def chrf_rows(systems: dict[str, Answers], baseline: str) -> dict[tuple[str, str], dict[str, Any]]:
    shown = Shown(baseline)
    extra = {name: SegmentScores({}) for name in systems}
    answered = {name: [found] for name, found in systems.items()}
    rows = compare_suite(answered, "translation", Options(off_target=False), PLAN, extra, {}, shown)
    return {(r["system_a"], r["system_b"]): r for r in rows if r["metric"].startswith("chrf")}


def test_a_partial_first_system_takes_no_comparison_away() -> None:
    right = answers(REFERENCES, REFERENCES)
    wrong = answers(["a dog"] * 12, REFERENCES)
    rows = chrf_rows({"partial": part(right, 0, 5), "right": right, "wrong": wrong}, "partial")
    sizes = {pair: row["n"] for pair, row in rows.items()}
    assert sizes == {("partial", "right"): 5, ("partial", "wrong"): 5}
    assert rows["partial", "right"]["difference"] == 0
    rows = chrf_rows({"partial": part(right, 0, 5), "right": right, "wrong": wrong}, "right")
    sizes = {pair: row["n"] for pair, row in rows.items()}
    assert sizes == {("partial", "right"): 5, ("right", "wrong"): 12}


def test_equally_many_but_other_segments_are_not_paired() -> None:
    right = answers(REFERENCES, REFERENCES)
    rows = chrf_rows({"early": part(right, 0, 8), "late": part(right, 4, 12)}, "late")
    assert rows["early", "late"]["n"] == 4
    assert chrf_rows({"early": part(right, 0, 6), "late": part(right, 6, 12)}, "late") == {}
