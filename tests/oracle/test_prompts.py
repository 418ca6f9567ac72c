"""Prompts and line counts against the released files themselves.

Needs ``BAYLING_ORACLE``: a folder with ``bayling-release`` and ``agieval`` in
their upstream layouts, whole or in part. What a partial copy lacks is not checked.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bayling_study.config.suites import ConstrainedSuite, ExamsSuite, ReviewsSuite, Wmt22Suite
from bayling_study.core.files import read_jsonl, write_json
from bayling_study.core.records import Prompt
from bayling_study.stages.prompts import PromptContext, constrained, exams, reviews, wmt22

SEGMENTS = {
    "zh-en": 1875,
    "en-zh": 2037,
    "de-en": 1984,
    "en-de": 2037,
    "cs-en": 1448,
    "ja-en": 2008,
    "ru-en": 2016,
    "uk-en": 2018,
    "en-cs": 2037,
    "en-ja": 2037,
    "en-ru": 2037,
    "en-uk": 2037,
    "de-fr": 1984,
    "fr-de": 2006,
}
"""Segments of the WMT22 general test sets that the BayLing paper uses."""

QUESTIONS = {
    "gaokao-chinese": 246,
    "gaokao-english": 306,
    "gaokao-mathqa": 351,
    "gaokao-physics": 200,
    "gaokao-chemistry": 207,
    "gaokao-biology": 210,
    "gaokao-history": 235,
    "gaokao-geography": 199,
    "gaokao-mathcloze": 118,
    "sat-math": 220,
    "sat-en": 206,
    "sat-en-without-passage": 206,
    "aqua-rat": 254,
    "lsat-ar": 230,
    "lsat-lr": 510,
    "lsat-rc": 269,
    "logiqa-en": 651,
    "logiqa-zh": 651,
}
"""Questions of each exam in AGIEval v1 at 3680910."""

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def oracle() -> Path:
    folder = os.environ.get("BAYLING_ORACLE")
    if not folder:
        pytest.skip("BAYLING_ORACLE is not set (a folder with bayling-release and agieval)")
    return Path(folder)


@pytest.fixture(scope="module")
def context(oracle: Path, tmp_path_factory: pytest.TempPathFactory) -> PromptContext:
    downloads = {}
    for name in ("bayling-release", "agieval"):
        downloads[name] = tmp_path_factory.mktemp(name)
        write_json(downloads[name] / "manifest.json", {"root": str(oracle / name)})
    return PromptContext(1, None, downloads)


@pytest.fixture(scope="module")
def exam_prompts(context: PromptContext) -> dict[str, list[Prompt]]:
    return by_item(list(exams.build("exams", ExamsSuite(kind="exams"), context)))


def by_item(prompts: list[Prompt]) -> dict[str, list[Prompt]]:
    groups: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault(prompt.item, []).append(prompt)
    return groups


def test_exam_prompts_are_the_released_ones_byte_for_byte(
    oracle: Path, exam_prompts: dict[str, list[Prompt]]
) -> None:
    inputs = sorted((oracle / "bayling-release/exp/examination").glob("*/inputs/*.jsonl"))
    inputs = [path for path in inputs if path.name.split(".")[0] in QUESTIONS]
    assert inputs, "no released prompt file in this copy"
    for path in inputs:
        task = path.name.split(".")[0]
        released = [row["context"] for row in read_jsonl(path)]
        assert [prompt.turns[0] for prompt in exam_prompts[task]] == released, path


def test_every_exam_has_its_questions(exam_prompts: dict[str, list[Prompt]]) -> None:
    assert exam_prompts
    counts = {task: len(prompts) for task, prompts in exam_prompts.items()}
    assert counts == {task: QUESTIONS[task] for task in counts}


def test_labels_that_a_single_letter_cannot_meet(
    exam_prompts: dict[str, list[Prompt]],
) -> None:
    """Seven mathqa labels name several letters: the paper's one-letter rule never meets them."""
    odd: dict[str, int] = {}
    for task, prompts in exam_prompts.items():
        golds = [p.references[0] for p in prompts if p.meta["answer_rule"] == "single"]
        odd[task] = sum(gold not in set("ABCDEF") for gold in golds)
    assert {task: count for task, count in odd.items() if count} == {"gaokao-mathqa": 7}


def test_labels_of_the_other_rules(exam_prompts: dict[str, list[Prompt]]) -> None:
    for prompt in exam_prompts["gaokao-physics"]:
        gold = prompt.references[0]
        assert gold and gold == "".join(sorted(set(gold) & set("ABCDEF"))), prompt.id
    assert all(prompt.references[0].strip() for prompt in exam_prompts["gaokao-mathcloze"])


@pytest.mark.parametrize("prompt_language", ["en", "zh"])
def test_wmt22_has_its_segments(context: PromptContext, prompt_language: str) -> None:
    suite = Wmt22Suite.model_validate(
        {"kind": "wmt22", "directions": list(SEGMENTS), "prompt_language": prompt_language}
    )
    prompts = by_item(list(wmt22.build("wmt22", suite, context)))
    assert {"zh-en", "en-zh", "de-en", "en-de"} <= set(prompts)
    assert {item: len(rows) for item, rows in prompts.items()} == {
        item: SEGMENTS[item] for item in prompts
    }


def test_constrained_sets_are_wmt22_with_their_constraints(context: PromptContext) -> None:
    prompts = by_item(
        list(constrained.build("constrained", ConstrainedSuite(kind="constrained"), context))
    )
    sizes = {item: (len(rows), constraints(rows)) for item, rows in prompts.items()}
    assert sizes == {"zh-en": (1875, 3886), "en-zh": (2037, 4651)}
    plain = by_item(
        list(wmt22.build("wmt22", Wmt22Suite(kind="wmt22", directions=["zh-en", "en-zh"]), context))
    )
    for item, rows in prompts.items():
        assert {row.meta["source_text"] for row in rows} <= {
            row.meta["source_text"] for row in plain[item]
        }
        for row in rows:
            assert all(word in row.references[0] for word in row.meta["constraints"]), row.id


def constraints(rows: list[Prompt]) -> int:
    return sum(len(row.meta["constraints"]) for row in rows)


def test_every_review_file_has_eighty_items(context: PromptContext) -> None:
    prompts = by_item(list(reviews.build("bayling-80", ReviewsSuite(kind="reviews"), context)))
    assert prompts
    assert {len(rows) for rows in prompts.values()} == {80}
