"""The multiple-choice sets of the BayLing-2 studies, as the hub converts them to Parquet.

A folder a configuration, in it a folder a split; columns and types are those of the data cards. The
configurations are those that the harness asks for, and some that only the hub has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pyarrow as pa

from bayling_study.shared.harness_tasks import definitions
from helpers.upstream.packing import Files, parquet
from helpers.upstream.texts import sentences

Row = dict[str, Any]
LETTERS = "ABCD"
QUESTIONS = 5
TEXT = pa.string()
TEXTS = pa.list_(TEXT)


def columns(kind: pa.DataType, names: str, **others: pa.DataType) -> pa.Schema:
    """Returns a schema of columns of one kind, and then of others."""
    return pa.schema({**dict.fromkeys(names.split(), kind), **others})


def story(number: int, place: int = 0) -> str:
    """Returns one of our sentences: in English, German or Chinese."""
    return sentences(QUESTIONS + 5, 800)[number % (QUESTIONS + 5)][place]


def options(number: int, keys: str, form: str = "{}") -> dict[str, str]:
    """Returns four answers or more, one a key."""
    return {form.format(key): f"{number} {key}" for key in keys}


def belebele(number: int) -> Row:
    row = {"link": "https://en.wikibooks.org/wiki/Road", "question_number": number + 1}
    row |= {"flores_passage": story(number), "question": f"What happened in {number}?"}
    row |= options(number, "1234", "mc_answer{}")
    row |= {"correct_answer_num": str(1 + number % 4), "ds": "2023-05-03"}
    return {**row, "dialect": "eng_Latn"}


def xnli(number: int) -> Row:
    return {"premise": story(number), "hypothesis": story(number + 1), "label": number % 3}


def m_hellaswag(number: int) -> Row:
    row = {"ind": number, "activity_label": "Baking", "ctx_a": story(number), "ctx_b": "then he"}
    row |= {"ctx": f"{story(number)} then he", "endings": [f"sat {word}" for word in LETTERS]}
    row |= {"source_id": f"activitynet~v_{number}", "split": "val", "split_type": "indomain"}
    return {**row, "label": str(number % 4)}


def m_arc(number: int) -> Row:
    row: Row = {"id": f"ARC-Challenge/test/{number}", "instruction": story(number)}
    row |= {
        **options(number, "abcd", "option_{}"),
        "option_e": f"{number} e" if number == 1 else None,
    }
    return {**row, "answer": LETTERS[number % 4]}


def m_mmlu(number: int) -> Row:
    row: Row = {"instruction": story(number), **options(number, "abcd", "option_{}")}
    return {**row, "answer": LETTERS[number % 4], "id": f"anatomy/test/{number}"}


def hellaswag(number: int) -> Row:
    return {**m_hellaswag(number), "source_id": f"wikihow~{number}"}


def arc(number: int) -> Row:
    labels = list("1234" if number == 2 else LETTERS)
    choices = {"text": [f"{number} {label}" for label in labels], "label": labels}
    facts = {"id": f"Mercury_{number}", "question": story(number)}
    return {**facts, "choices": choices, "answerKey": labels[number % 4]}


def mmlu(number: int) -> Row:
    choices = list(options(number, LETTERS).values())
    return {"question": story(number), "subject": "s", "choices": choices, "answer": number % 4}


def cmmlu(number: int) -> Row:
    answers = options(number, LETTERS)
    return {"Question": story(number, 2), **answers, "Answer": LETTERS[number % 4]}


def ceval(number: int) -> Row:
    row: Row = {"id": number, "question": story(number, 2), **options(number, LETTERS)}
    return {**row, "answer": LETTERS[number % 4], "explanation": ""}


def xcopa(number: int) -> Row:
    row: Row = {"premise": story(number), "choice1": "It rained.", "choice2": "It snowed."}
    row |= {"question": ("cause", "effect")[number % 2], "label": number % 2, "idx": number}
    return {**row, "changed": False}


def xwinograd(number: int) -> Row:
    sentence = f"The farmer met the singer in {1900 + number} because _ wanted to talk."
    facts = {"sentence": sentence, "option1": "the farmer", "option2": "the singer"}
    return {**facts, "answer": str(1 + number % 2)}


def xstory_cloze(number: int) -> Row:
    row: Row = {"story_id": f"{number:036}"}
    row |= {f"input_sentence_{place}": story(number + place) for place in range(1, 5)}
    row |= {"sentence_quiz1": "It rained.", "sentence_quiz2": "It snowed."}
    return {**row, "answer_right_ending": 1 + number % 2}


CHOICES = pa.struct({"text": TEXTS, "label": TEXTS})
HELLASWAG = columns(
    TEXT, "activity_label ctx_a ctx_b ctx source_id split split_type label",
    ind=pa.int64(), endings=TEXTS,
)  # fmt: skip
Set = tuple[str, Callable[[int], Row], pa.Schema, str, str]
"""Folder of the harness, rows, columns, splits, configurations that it does not ask for."""
SETS: dict[str, Set] = {
    "facebook/belebele": ("belebele", belebele, columns(
        TEXT, "link flores_passage question mc_answer1 mc_answer2 mc_answer3 mc_answer4 "
        "correct_answer_num dialect ds", question_number=pa.int64()), "test", ""),
    "facebook/xnli": ("xnli", xnli, columns(
        TEXT, "premise hypothesis", label=pa.int64()), "train validation test", ""),
    "alexandrainst/m_hellaswag": (
        "okapi/hellaswag_multilingual", m_hellaswag, HELLASWAG, "val", ""),
    "alexandrainst/m_arc": ("okapi/arc_multilingual", m_arc, columns(
        TEXT, "id instruction option_a option_b option_c option_d option_e answer"),
        "train val test", ""),
    "alexandrainst/m_mmlu": ("okapi/mmlu_multilingual", m_mmlu, columns(
        TEXT, "instruction option_a option_b option_c option_d answer id"), "train val test", ""),
    "Rowan/hellaswag": ("hellaswag", hellaswag, HELLASWAG, "train validation test", ""),
    "allenai/ai2_arc": ("arc", arc, columns(
        TEXT, "id question answerKey", choices=CHOICES), "train validation test", ""),
    "cais/mmlu": ("mmlu/default", mmlu, columns(
        TEXT, "question subject", choices=TEXTS, answer=pa.int64()), "test validation dev", "all"),
    "haonan-li/cmmlu": ("cmmlu", cmmlu, columns(TEXT, "Question A B C D Answer"), "test dev", ""),
    "ceval/ceval-exam": ("ceval", ceval, columns(
        TEXT, "question A B C D answer explanation", id=pa.int32()), "test val dev", ""),
    "cambridgeltl/xcopa": ("xcopa", xcopa, columns(
        TEXT, "premise choice1 choice2 question", label=pa.int32(), idx=pa.int32(),
        changed=pa.bool_()), "validation test", "translation-it"),
    "Muennighoff/xwinograd": ("xwinograd", xwinograd, columns(
        TEXT, "sentence option1 option2 answer"), "test", ""),
    "juletxara/xstory_cloze": ("xstorycloze", xstory_cloze, columns(
        TEXT, "story_id input_sentence_1 input_sentence_2 input_sentence_3 input_sentence_4 "
        "sentence_quiz1 sentence_quiz2", answer_right_ending=pa.int32()), "train eval", ""),
}  # fmt: skip


@cache
def configurations(folder: str) -> tuple[str, ...]:
    """Returns the configurations that the tasks in a folder of the harness name."""
    from lm_eval.tasks._yaml_loader import load_yaml  # slow

    found: dict[str, None] = {}
    for path in definitions(folder).values():
        values = load_yaml(path, resolve_func=False)
        found[values.get("dataset_name") or "default"] = None
    return tuple(sorted(found))


def converted(name: str) -> Files:
    """Returns the files of a set's branch ``refs/convert/parquet``."""
    folder, row, schema, splits, others = SETS[name]
    content = parquet([row(number) for number in range(QUESTIONS)], schema)
    return {
        f"{configuration}/{split}/0000.parquet": content
        for configuration in (*configurations(folder), *others.split())
        for split in splits.split()
    }
