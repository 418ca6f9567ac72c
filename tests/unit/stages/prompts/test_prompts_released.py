"""Suites made of released data: prompts, references, and what is wrong with a source."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.config.suites import (
    EXAM_TASKS,
    ConstrainedSuite,
    ExamsSuite,
    ReviewsSuite,
    Wmt22Suite,
)
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json, write_text
from bayling_study.shared.sources.fetched import files_root, read_segments
from bayling_study.stages.prompts import PromptContext, constrained, exams, reviews, wmt22
from helpers.released import (
    REFERENCES,
    REVIEWS,
    SOURCES,
    TRANSLATION,
    download,
    rewrite,
    write_agieval,
    write_release,
)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    write_release(tmp_path / "release")
    return tmp_path / "release"


@pytest.fixture
def context(tmp_path: Path, release: Path) -> PromptContext:
    write_agieval(tmp_path / "agieval")
    names = {"bayling-release": release, "agieval": tmp_path / "agieval"}
    downloads = {name: download(tmp_path / "dl" / name, root) for name, root in names.items()}
    return PromptContext(1, None, downloads)


WMT22 = Wmt22Suite(kind="wmt22", directions=["zh-en", "en-cs"])
EXAMS = ExamsSuite(kind="exams", tasks=["sat-en", "gaokao-physics", "gaokao-mathcloze"])
REVIEWED = ReviewsSuite(
    kind="reviews", judged="one", opponents=["two", "three"], parts=["multiturn.en"]
)


def test_wmt22_prompts_keep_odd_characters_in_one_segment(context: PromptContext) -> None:
    prompts = list(wmt22.build("w", WMT22, context))
    assert [p.id for p in prompts] == ["zh-en/1", "zh-en/2", "zh-en/3"]  # en-cs is absent
    assert [p.references for p in prompts] == [[text] for text in REFERENCES]
    assert [p.meta["source_text"] for p in prompts] == SOURCES
    assert prompts[0].turns == ["Provide the English translation for this sentence: 你好"]


def test_wmt22_chinese_prompt(context: PromptContext) -> None:
    suite = Wmt22Suite(kind="wmt22", directions=["zh-en"], prompt_language="zh")
    assert next(iter(wmt22.build("w", suite, context))).turns == ["提供这句话的英文翻译：你好"]


def test_wmt22_is_the_same_from_sacrebleus_files(context: PromptContext, tmp_path: Path) -> None:
    folder = tmp_path / "sacrebleu"
    write_json(folder / "manifest.json", {})
    write_text(folder / "files" / "zh-en.src", "\n".join(SOURCES) + "\n")
    write_text(folder / "files" / "zh-en.ref", "\n".join(REFERENCES) + "\n")
    suite = WMT22.model_copy(update={"source": "wmt22"})
    made = list(wmt22.build("w", suite, PromptContext(1, downloads={"wmt22": folder})))
    assert made == list(wmt22.build("w", WMT22, context))
    assert made[0].meta["averages"] == ["trained-average"]


def test_wmt22_source_and_reference_of_different_length(
    context: PromptContext, release: Path
) -> None:
    (release / TRANSLATION / "reference/zhen.ref").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"zhen\.ref:3: 2 lines, but zhen\.src has 3"):
        list(wmt22.build("w", WMT22, context))


def test_constrained_prompt(context: PromptContext) -> None:
    suite = ConstrainedSuite(kind="constrained", directions=["zh-en", "en-zh"])
    first = next(iter(constrained.build("c", suite, context)))
    assert first.turns == [
        "Provide the English translation for this sentence: 猫坐着\n"
        "Make sure to include these words: cat, The"
    ]
    assert first.meta["constraints"] == ["cat", "The"]
    assert first.references == ["The cat sits"]


@pytest.mark.parametrize("change", [{"constraint": "cat"}, {"tgt": None}, {"constraint": [""]}])
def test_constrained_malformed_row(
    context: PromptContext, release: Path, change: dict[str, object]
) -> None:
    rewrite(release / "data/constrained_translation/constraints.zh-en.en.jsonl", 2, **change)
    with pytest.raises(StudyError, match=r"constraints\.zh-en\.en\.jsonl:2"):
        list(constrained.build("c", ConstrainedSuite(kind="constrained"), context))


def test_exam_prompts_and_labels(context: PromptContext) -> None:
    prompts = {p.id: p for p in list(exams.build("e", EXAMS, context))}
    frame = 'Choices:\n(A)1\n(B)2\n\nAnswer:\nOutput the correct answer in this format: "Answer is'
    assert prompts["sat-en/1"].turns[0].startswith(f"\n\nQuestion:\nQ?\n{frame}")
    assert prompts["sat-en/2"].turns[0].startswith("P\n\nQuestion:")
    assert prompts["gaokao-physics/1"].turns[0].startswith("问题：\nQ?\n选项：\n(A)1")
    assert prompts["gaokao-mathcloze/1"].turns == ["问题：x\n答案："]
    assert [p.references[0] for p in prompts.values()] == ["B", "B", "B", "AC", "2"]
    rules = {p.item: p.meta["answer_rule"] for p in prompts.values()}
    assert rules == {"sat-en": "single", "gaokao-physics": "set", "gaokao-mathcloze": "math"}


def test_all_eighteen_exams_are_the_default() -> None:
    assert ExamsSuite(kind="exams").tasks == EXAM_TASKS
    assert len(EXAM_TASKS) == len({*EXAM_TASKS}) == 18


def test_exam_row_without_options(context: PromptContext) -> None:
    root = files_root(context.downloads["agieval"])
    rewrite(root / "data/v1/sat-en.jsonl", 2, options=None)
    with pytest.raises(StudyError, match=r"sat-en\.jsonl:2: not a row of AGIEval"):
        list(exams.build("e", EXAMS, context))


def test_reviews_show_the_judge_both_conversations(context: PromptContext) -> None:
    prompts = list(reviews.build("r", REVIEWED, context))
    assert [p.id for p in prompts] == [f"two.multiturn.en/{n}" for n in (1, 2, 3)]
    text = prompts[1].turns[0]
    for part in ("Why {x}?", "And then?", "Assistant 1: one 2", "Assistant 2: then two"):
        assert part in text
    assert text.endswith("Score of the Assistant 1: <score>\nScore of the Assistant 2: <score>")
    assert prompts[0].meta["category"] == "generic"


def test_reviews_with_a_question_twice(context: PromptContext, release: Path) -> None:
    rewrite(release / REVIEWS / "one.vs.two.multiturn.en.jsonl", 3, question_id=1)
    with pytest.raises(StudyError, match=r"en\.jsonl:3: question_id 1 is duplicated"):
        list(reviews.build("r", REVIEWED, context))


def test_a_source_that_lacks_everything_gives_no_prompts(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folder = download(tmp_path / "dl", tmp_path / "empty")
    context = PromptContext(1, None, {"bayling-release": folder, "agieval": folder})
    assert list(wmt22.build("w", WMT22, context)) == []
    assert list(constrained.build("c", ConstrainedSuite(kind="constrained"), context)) == []
    assert list(exams.build("e", EXAMS, context)) == []
    assert list(reviews.build("r", REVIEWED, context)) == []


def test_local_folder_that_is_gone(tmp_path: Path) -> None:
    folder = download(tmp_path / "dl", tmp_path / "nowhere")
    with pytest.raises(StudyError, match=r"nowhere: the folder .* does not exist"):
        files_root(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        ("ok\nGrüße\n".encode("latin-1"), "x:2: not UTF-8 text"),
        ("ab\nc\n".encode("utf-16"), "x:1: not UTF-8 text"),
        ("ab\n".encode("utf-16-le"), "x:1: not UTF-8 text"),
    ],
)
def test_unreadable_segments(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(StudyError, match=message):
        read_segments(tmp_path / "x")


def test_wmt22_directions_are_zero_shot_as_the_suite_says(context: PromptContext) -> None:
    suite = Wmt22Suite(kind="wmt22", directions=["zh-en"], zero_shot=["zh-en"])
    assert next(iter(wmt22.build("w", suite, context))).meta["averages"] == ["zero-shot-average"]
