"""Inference: questions from upstream's rows, and F1 that no constant answer wins."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.multiple_choice import NliSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json, write_jsonl
from bayling_study.core.records import Hypothesis
from bayling_study.shared.metrics import multiple_choice as metric
from bayling_study.shared.metrics.measurement import Answers, Options
from bayling_study.shared.metrics.resampling import Resampling
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.nli import build
from bayling_study.stages.scoring.results import score_suite
from helpers.scoring_cases import answers

LABELS = ("entailment", "neutral", "contradiction")
SUITE = NliSuite(
    kind="nli", categories={"antonym": "a.json", "synonym": "s.json", "logic": "l.json"}
)


def row(label: Any, premise: str = "天热。", hypothesis: str = "天冷。") -> str:
    made = {"sentence1": premise, "sentence2": hypothesis, "label": label, "category": "x"}
    return json.dumps(made, ensure_ascii=False) + "\n"


def context(folder: Path, antonym: str) -> PromptContext:
    """Returns the context over a source of three categories as upstream's: two have one label."""
    files = {"a.json": antonym, "s.json": row("entailment") * 6}
    files["l.json"] = "".join(map(row, LABELS)) * 2
    (folder / "files").mkdir(parents=True)
    for name, text in files.items():
        (folder / "files" / name).write_text(text, encoding="utf-8")
    write_json(folder / "manifest.json", {"files": []})
    return PromptContext(7, downloads={"chinese-nli": folder})


def test_rows_become_questions_and_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    text = row("contradiction", "{hypothesis}很热。", "他说{premise}。") + row("-") * 2
    prompts = list(build("nli", SUITE, context(tmp_path, text)))
    first = prompts[0]
    assert first.turns == ["{hypothesis}很热。\n问：由此可知“他说{premise}。”，对吗？\n答："]
    assert (first.id, first.item, first.references) == ("antonym/0", "antonym", ["不是"])
    assert first.meta["choices"] == ["是", "不一定", "不是"] and first.meta["gold"] == 2
    assert first.meta["unlabelled"] == 2
    assert [p.item for p in prompts] == ["antonym"] + ["synonym"] * 6 + ["logic"] * 6
    few = list(build("nli", SUITE.model_copy(update={"limit": 2}), context(tmp_path / "few", text)))
    assert [p.item for p in few] == ["antonym", *["synonym"] * 2, *["logic"] * 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row("contradiction") + row(None), "'label' is not text"),
        (row("-"), "no row has a known label"),
        ("{\n", "not a JSON row"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        list(build("nli", SUITE, context(tmp_path, text)))


@pytest.mark.parametrize(
    "values", [{"question": "{premise}?"}, {"labels": {"a": "是", "b": "是"}}, {"categories": {}}]
)
def test_wordings_that_cannot_be_asked_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"hypothesis|answer|at least"):
        NliSuite(kind="nli", **values)


def constant(folder: Path, answer: str) -> list[Answers]:
    """Returns the answers of a system that says the same to every question."""
    prompts = list(build("nli", SUITE, context(folder, row("contradiction") * 6)))
    items = []
    marks = [{"id": p.id, "metrics": {"acc": float(p.references == [answer])}} for p in prompts]
    write_jsonl(folder / "suite.marks.jsonl", marks)
    signatures = {"suite": dict.fromkeys(SUITE.categories, "sig")}
    write_json(folder / "system.json", {"signatures": signatures})
    for name in SUITE.categories:
        own = [prompt for prompt in prompts if prompt.item == name]
        given = [Hypothesis(prompt.id, [answer], [0], ["stop"]) for prompt in own]
        base = answers(["x"], ["x"], item=name)
        items.append(replace(base, path=folder / "suite.jsonl", prompts=own, hypotheses=given))
    return items


def test_a_constant_answer_wins_categories_and_loses_the_whole(tmp_path: Path) -> None:
    items = constant(tmp_path, "不是")
    plan = Resampling(100, 0.95, 1)
    scores, _ = score_suite(items, SUITE, Options(), plan, {})
    found = {(s.item, s.metric): s.value for s in scores}
    accuracy = [found[name, "accuracy"] for name in SUITE.categories]
    assert accuracy == pytest.approx([100.0, 0.0, 100 / 3])
    assert found["antonym", "macro-f1"] == 100.0 and found["synonym", "macro-f1"] == 0.0
    # Over all 18 rows 8 contradict: F1 of that label is 2*8 / (8 + 18), of the others 0.
    assert found["all", "macro-f1"] == pytest.approx(100 * 16 / 26 / 3)


def test_f1_is_that_of_scikit_learn(tmp_path: Path) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    (_, _, logic) = constant(tmp_path, "不是")
    said = ["是", "不是", "不是", "不一定", "不一定", "不是"]
    rows = [
        Hypothesis(p.id, [text], [0], ["stop"]) for p, text in zip(logic.prompts, said, strict=True)
    ]
    (*_, found) = metric.measure_nli(replace(logic, hypotheses=rows), Options())
    gold = [prompt.references[0] for prompt in logic.prompts]
    assert found.value == pytest.approx(100 * sklearn.f1_score(gold, said, average="macro"))
