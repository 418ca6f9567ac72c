"""Multiple-choice marks as scores: percentages, chance level, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.multiple_choice import QuestionsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json, write_jsonl
from bayling_study.shared.metrics import multiple_choice
from bayling_study.shared.metrics.measurement import Answers, Options
from bayling_study.shared.metrics.resampling import Resampling
from bayling_study.stages.scoring.results import score_suite
from helpers.scoring_cases import answers

SUITE = QuestionsSuite(kind="questions", collection="capitals", languages=["en"])


def item(folder: Path, marks: list[dict[str, Any]], choices: int = 4, name: str = "en") -> Answers:
    """Returns answers whose marks lie in a folder, as the stage ``harness`` leaves them."""
    meta = [{"choices": ["x"] * choices, "gold": 0}] * len(marks)
    made = answers(["x"] * len(marks), ["x"] * len(marks), meta, item=name)
    rows = [{"id": p.id, "metrics": row} for p, row in zip(made.prompts, marks, strict=True)]
    write_jsonl(folder / "suite.marks.jsonl", rows)
    write_json(folder / "system.json", {"signatures": {"suite": {name: "sig"}}})
    return replace(made, path=folder / "suite.jsonl")


def test_marks_become_percentages_with_signature_and_chance(tmp_path: Path) -> None:
    rows = [{"acc": 1.0, "acc_norm": 0.0, "exact_match": 1.0}] * 3 + [
        {"acc": 0.0, "acc_norm": 0.0, "exact_match": 1.0}
    ]
    found = {m.metric: m for m in multiple_choice.measure(item(tmp_path, rows), Options())}
    assert list(found) == ["accuracy", "accuracy-norm", "exact-match"]
    assert found["accuracy"].value == 75.0 and found["accuracy"].chance == 25.0
    assert found["accuracy"].signature == "sig|acc"
    assert found["accuracy"].note == "3/4 right, guessing gives 25.0 %"


@pytest.mark.parametrize(("right", "chance"), [(6, True), (1, True), (36, False)])
def test_a_score_that_guessing_would_reach_says_so(
    tmp_path: Path, right: int, chance: bool
) -> None:
    rows = [{"acc": float(n < right)} for n in range(40)]
    plan = Resampling(200, 0.95, 1)
    groups = {"average": ["en"]}
    scores, _ = score_suite([item(tmp_path, rows)], SUITE, Options(), plan, groups)
    assert [(s.item, s.chance) for s in scores] == [("en", chance), ("average", chance)]


def test_marks_that_are_missing_or_uneven_are_refused(tmp_path: Path) -> None:
    good = item(tmp_path / "a", [{"acc": 1.0}, {"acc": 0.0}])
    uneven = item(tmp_path / "b", [{"acc": 1.0}, {"acc_norm": 0.0}])
    with pytest.raises(StudyError, match="different marks"):
        multiple_choice.measure(uneven, Options())
    missing = item(tmp_path / "c", [{"acc": 1.0}, {}])
    with pytest.raises(StudyError, match="no marks"):
        multiple_choice.measure(missing, Options())
    write_jsonl(tmp_path / "d" / "suite.marks.jsonl", [{"id": 1}])
    with pytest.raises(StudyError, match="fields id and metrics"):
        multiple_choice.measure(replace(good, path=tmp_path / "d" / "suite.jsonl"), Options())
