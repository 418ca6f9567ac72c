"""Right answers of the released exam predictions, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bayling_study.shared.metrics import exams
from bayling_study.shared.metrics.aggregates import EXAM_MEANS
from bayling_study.shared.metrics.measurement import Measurement, Options
from helpers.released_answers import MATH, SET, SINGLE, answers, by_metric, expected, oracle, rows

pytestmark = pytest.mark.oracle
EXPECTED = expected("exam")
CASES = [(system, row) for system, found in EXPECTED["results"].items() for row in found]
RULES = {"gaokao-physics": SET, "gaokao-mathcloze": MATH}


def measured(system: str, task: str) -> dict[str, Measurement]:
    folder = oracle() / "bayling-release" / "exp" / "examination" / system
    predictions = rows(next(iter(folder.glob(f"predict.*.{task}.zero-shot.jsonl"))))
    labels = rows(oracle() / "agieval" / "data" / "v1" / f"{task}.jsonl")
    gold = [row["answer"] if RULES.get(task) == MATH else row["label"] for row in labels]
    texts = ["".join(key) if isinstance(key, list) else key for key in gold]
    meta: list[dict[str, Any]] = [{"answer_rule": RULES.get(task, SINGLE)}] * len(texts)
    given = answers(task, "en", [output(row) for row in predictions], texts, meta)
    return by_metric(exams.measure(given, Options()))


def output(row: dict[str, Any]) -> str:
    """Returns the text of a prediction in its own or in OpenAI's response form."""
    return str(row["text"] if "text" in row else row["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    ("system", "case"), CASES, ids=lambda v: v if isinstance(v, str) else v["task"]
)
def test_right_answers(system: str, case: dict[str, Any]) -> None:
    accuracy = measured(system, case["task"])["accuracy"]
    assert accuracy.statistics.sum(axis=0).tolist() == [case["correct"], case["total"]]
    assert accuracy.value == pytest.approx(case["accuracy"], abs=1e-4)


@pytest.mark.parametrize(
    ("published", "items"), [("gaokao", "gaokao-average"), ("english", "english-average-8")]
)
def test_published_averages(published: str, items: str) -> None:
    assert EXPECTED["paper_averages"]
    for system, averages in EXPECTED["paper_averages"].items():
        values = [measured(system, task)["accuracy"].value for task in EXAM_MEANS[items]]
        assert round(sum(values) / len(values), 2) == averages[published]


def test_gold_answers_are_read_as_themselves() -> None:
    """One choice: all but labels with several letters; cloze: all with one blank, plainly set."""
    system = "vicuna-13b-1.1"
    assert measured(system, "logiqa-en")["gold-ceiling"].value == 100
    assert measured(system, "gaokao-physics")["gold-ceiling"].value == 100
    several_letters = 7
    ceiling = measured(system, "gaokao-mathqa")["gold-ceiling"]
    assert ceiling.statistics.sum(axis=0).tolist() == [351 - several_letters, 351]


def test_labels_are_those_of_the_paper(tmp_path: Path) -> None:
    labels = rows(oracle() / "agieval" / "data" / "v1" / "gaokao-geography.jsonl")
    assert labels[27]["label"] == "E"  # three days later AGIEval changed it to B
