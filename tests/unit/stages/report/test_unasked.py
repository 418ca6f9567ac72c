"""A suite of one task per language that has none in a pivot of the study is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.config.model import StudyConfig
from bayling_study.core.records import Score
from bayling_study.shared.harness_tasks import definitions
from bayling_study.stages.report.cautions import task_languages, unasked
from bayling_study.stages.report.collect import Study


def tasks(folder: str, stem: str) -> list[str]:
    return [name for name in definitions(folder) if name.startswith(stem)]


@pytest.mark.parametrize(
    ("folder", "stem", "has", "lacks"),
    [
        ("okapi/hellaswag_multilingual", "hellaswag_", {"de", "fr"}, {"zh", "en"}),
        ("okapi/arc_multilingual", "arc_", {"zh", "de"}, {"en"}),
        ("okapi/mmlu_multilingual", "m_mmlu_", {"zh", "en"}, {"ff"}),
        ("belebele", "belebele_", {"zh", "zht", "en", "et"}, set()),
        ("xnli", "xnli_", {"zh", "en"}, {"ja"}),
        ("xcopa", "xcopa_", {"zh", "et"}, {"en"}),
        ("xwinograd", "xwinograd_", {"zh", "en"}, {"de"}),
    ],
)
def test_the_languages_of_a_suite_are_those_of_the_harness_own_tasks(
    folder: str, stem: str, has: set[str], lacks: set[str]
) -> None:
    found = task_languages([*tasks(folder, stem), "average"])
    assert has <= found and not lacks & found


@pytest.mark.parametrize(
    ("folder", "stem"),
    [("mmlu/default", "mmlu_"), ("cmmlu", "cmmlu_"), ("ceval", "ceval-valid_"), ("arc", "arc_")],
)
def test_suites_of_subjects_are_not_taken_for_suites_of_languages(folder: str, stem: str) -> None:
    assert task_languages(tasks(folder, stem)) == set()


def study(items: dict[str, list[str]], **pivots: list[str]) -> Study:
    folders = {"m-hellaswag": "okapi/hellaswag_multilingual", "xnli": "xnli"}
    harness = {
        name: {"kind": "harness", "source": name, "folder": folders[name], "tasks": ["*"]}
        for name in items
    }
    schools = {"kind": "questions", "collection": "school-exams", "languages": ["de", "en"]}
    flores = {"kind": "flores", **pivots}
    suites = {**harness, "schools": schools, **({"flores": flores} if pivots else {})}
    config = StudyConfig.model_validate({"suites": suites})
    made = Study(Path("nowhere"), config)
    made.by_suite = {
        name: [Score(name, item, "tuned", "accuracy", 1.0, None, None, 1, "") for item in own]
        for name, own in items.items()
    }
    return made


def test_a_pivot_without_a_task_is_told_suite_by_suite() -> None:
    items = {"m-hellaswag": ["hellaswag_de", "hellaswag_fr", "average"], "xnli": ["xnli_zh"]}
    assert [what for what, _ in unasked(study(items, pivots=["en", "zh"]))] == [
        "no task in en: m-hellaswag, xnli",
        "no task in zh: m-hellaswag, schools",
    ]
    assert [what for what, _ in unasked(study(items, pivots=["de"]))] == ["no task in de: xnli"]
    assert list(unasked(study(items))) == []  # a study without pivots
