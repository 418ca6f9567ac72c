"""Harness tasks over local rows: every benchmark of the studies loads, and bad sources are told."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.loading import load_config
from bayling_study.config.multiple_choice import HarnessSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.shared.harness_tasks import definitions, load_task, read_rows
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.harness import build, chosen, expanded
from helpers import ROOT

LETTERS = {"A": "one", "B": "two", "C": "three", "D": "four"}
OPTIONS = {f"option_{letter.lower()}": text for letter, text in LETTERS.items()}
ROWS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "belebele": (
        "belebele_deu_Latn",
        "deu_Latn/test",
        {
            "flores_passage": "Ein Satz.",
            "question": "Was?",
            **{f"mc_answer{n}": str(n) for n in range(1, 5)},
            "correct_answer_num": "2",
        },
    ),
    "xnli": ("xnli_zh", "zh/validation", {"premise": "他在家", "hypothesis": "他不在", "label": 1}),
    "m-hellaswag": (
        "hellaswag_de",
        "de/val",
        {
            "ctx_a": "Er geht.",
            "ctx_b": "dann",
            "ctx": "Er geht.",
            "activity_label": "Gehen",
            "endings": ["a", "b", "c", "d"],
            "label": "1",
        },
    ),
    "m-arc": (
        "arc_de",
        "de/test",
        {"id": "1", "instruction": "Was?", **OPTIONS, "option_e": None, "answer": "B"},
    ),
    "m-mmlu": ("m_mmlu_de", "de/test", {"instruction": "Was?", **OPTIONS, "answer": "B"}),
    "xstorycloze": (
        "xstorycloze_es",
        "es/eval",
        {
            **{f"input_sentence_{n}": f"Frase {n}." for n in range(1, 5)},
            "sentence_quiz1": "Fin.",
            "sentence_quiz2": "Otro.",
            "answer_right_ending": 2,
        },
    ),
    "xwinograd": (
        "xwinograd_zh",
        "zh/test",
        {"sentence": "_去了", "option1": "他", "option2": "她", "answer": "2"},
    ),
    "xcopa": (
        "xcopa_it",
        "it/test",
        {
            "premise": "Piove.",
            "choice1": "Esco.",
            "choice2": "Resto.",
            "question": "effect",
            "label": 1,
        },
    ),
    "mmlu": (
        "mmlu_anatomy",
        "anatomy/test",
        {"question": "What?", "choices": list(LETTERS.values()), "answer": 1},
    ),
    "hellaswag": (
        "hellaswag",
        "default/validation",
        {
            "ctx_a": "He goes.",
            "ctx_b": "then",
            "activity_label": "Going",
            "endings": ["a", "b", "c", "d"],
            "label": "1",
        },
    ),
    "arc": (
        "arc_challenge",
        "ARC-Challenge/test",
        {
            "question": "What?",
            "choices": {"text": ["a", "b", "c", "d"], "label": list("ABCD")},
            "answerKey": "B",
        },
    ),
    "cmmlu": ("cmmlu_anatomy", "anatomy/test", {"Question": "何？", **LETTERS, "Answer": "B"}),
    "ceval": ("ceval-valid_law", "law/val", {"question": "何？", **LETTERS, "answer": "B"}),
}
"""Suite of the full studies to a task of it, where its rows are, and a row in upstream's form."""


def source(folder: Path, place: str, rows: list[dict[str, Any]]) -> Path:
    """Writes a downloaded source with rows at a place of the hub's Parquet conversion."""
    path = folder / "files" / place / "0000.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    write_json(folder / "manifest.json", {"source": {}})
    return folder


@pytest.fixture(scope="module")
def suites() -> dict[str, HarnessSuite]:
    config = load_config(ROOT / "config" / "studies" / "bayling-2-8b.yaml")
    return {n: s for n, s in config.suites.items() if isinstance(s, HarnessSuite)}


def test_every_suite_of_the_full_study_is_tried_here(suites: dict[str, HarnessSuite]) -> None:
    assert set(suites) == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_benchmark_loads_from_local_rows(
    name: str, suites: dict[str, HarnessSuite], tmp_path: Path
) -> None:
    task, place, row = ROWS[name]
    assert task in expanded(name, suites[name])
    source(tmp_path, place, [row, row])
    suite = suites[name].model_copy(update={"tasks": [task]})
    prompts = list(build("s", suite, PromptContext(1, downloads={suite.source: tmp_path})))
    assert [prompt.id for prompt in prompts] == [f"{task}/0", f"{task}/1"]
    assert prompts[0].meta["gold"] == 1 and len(prompts[0].meta["choices"]) in (2, 3, 4)
    assert prompts[0].references == [prompts[0].meta["choices"][1]]
    assert prompts[0].meta["averages"] == ["average"]


def belebele(**changes: Any) -> HarnessSuite:
    values = {"source": "belebele", "folder": "belebele", "tasks": ["belebele_deu_Latn"]} | changes
    return HarnessSuite(kind="harness", **values)


def test_examples_are_shown_from_the_split_that_the_task_names(tmp_path: Path) -> None:
    row = ROWS["belebele"][2]
    root = source(tmp_path, "deu_Latn/test", [row | {"question": f"q{n}"} for n in range(4)])
    task = load_task("belebele_deu_Latn", belebele(num_fewshot=2), root / "files")
    task.set_fewshot_seed(seed=1)
    text = task.fewshot_context(task.eval_docs[3], 2)
    assert text.count("Answer:") == 3 and text.count("Answer: B") == 2


def test_questions_are_drawn_by_the_seed() -> None:
    assert chosen(5, None, 1, "s", "i") == [0, 1, 2, 3, 4] == chosen(5, 9, 1, "s", "i")
    assert (
        chosen(100, 10, 1, "s", "i") == chosen(100, 10, 1, "s", "i") != chosen(100, 10, 2, "s", "i")
    )


def test_an_unknown_task_folder_or_split_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="belebele_deu_Latn"):
        expanded("s", belebele(tasks=["belebele_deu_Lat"]))
    with pytest.raises(StudyError, match="no task folder"):
        definitions("bellebele")
    with pytest.raises(StudyError, match="no task folder"):
        definitions("../models")
    with pytest.raises(StudyError, match=r"no rows in deu_Latn/test"):
        load_task("belebele_deu_Latn", belebele(), tmp_path)


def test_rows_that_do_not_fit_the_task_are_told(tmp_path: Path) -> None:
    root = source(tmp_path, "deu_Latn/test", [{"question": "Was?"}])
    with pytest.raises(StudyError, match="do not fit"):
        load_task("belebele_deu_Latn", belebele(), root / "files")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.jsonl", '{"a": "1"}\n'),
        ("r.json", '[{"a": "1"}]'),
        ("r.csv", "a\n1\n"),
    ],
)
def test_rows_are_read_from_text_formats(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_rows(tmp_path / name) == [{"a": "1"}]


@pytest.mark.parametrize(
    ("name", "text"), [("r.txt", "a"), ("r.json", json.dumps({"a": 1})), ("r.json", "{")]
)
def test_other_files_are_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(StudyError):
        read_rows(tmp_path / name)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"eins", "bytes"),
        (date(2024, 5, 1), "date"),
        (datetime(2024, 5, 1, 12), "datetime"),
        (Decimal("1.5"), "Decimal"),
        ([b"eins"], "bytes"),
        ({"a": [date(2024, 5, 1)]}, "date"),
    ],
)
def test_values_that_a_prompt_would_show_in_pythons_form_are_refused(
    tmp_path: Path, value: object, name: str
) -> None:
    row = ROWS["belebele"][2]
    rows = [{**row, "extra": None}, {**row, "extra": value}]
    root = source(tmp_path, "deu_Latn/test", rows)
    with pytest.raises(StudyError, match=rf"0000\.parquet: row 2: 'extra' holds {name}, not text"):
        load_task("belebele_deu_Latn", belebele(), root / "files")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([3, 4, 5, 6], "do not fit the harness task"),
        ([["a"], ["b"], ["c"], ["d"]], "arc_challenge/0: a choice is list, not text"),
    ],
)
def test_choices_that_are_no_texts_are_told(
    tmp_path: Path, suites: dict[str, HarnessSuite], choices: list[Any], message: str
) -> None:
    task, place, row = ROWS["arc"]
    source(tmp_path, place, [{**row, "choices": {**row["choices"], "text": choices}}])
    suite = suites["arc"].model_copy(update={"tasks": [task]})
    with pytest.raises(StudyError, match=message):
        list(build("s", suite, PromptContext(1, downloads={suite.source: tmp_path})))


def test_a_column_of_two_kinds_is_told(tmp_path: Path) -> None:
    row = ROWS["belebele"][2]
    (tmp_path / "deu_Latn").mkdir()
    rows = [row, {**row, "question": 3}]
    (tmp_path / "deu_Latn/test.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(StudyError, match="do not fit the harness task"):
        load_task("belebele_deu_Latn", belebele(files="{config}/{split}.json"), tmp_path)
