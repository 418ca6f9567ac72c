"""The wording of BayLing's exam prompts and the kind of answer each exam takes.

The wording is that of the released prompt files (ictnlp/BayLing at 8f6ecb9,
``exp/examination/*/inputs``), byte for byte. A passage that is an empty string
still adds its blank line, as in those files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from bayling_study.config.suites import EXAM_TASKS

AnswerRule = Literal["single", "set", "math"]
"""``single``: one letter; ``set``: all letters that apply; ``math``: an expression."""


@dataclass(frozen=True)
class Exam:
    """One exam.

    Attributes:
        language: language of the prompt's frame.
        rule: how an answer is read and compared.
    """

    language: Literal["en", "zh"]
    rule: AnswerRule = "single"


CHINESE = {name for name in EXAM_TASKS if name.startswith("gaokao-")} - {"gaokao-english"}
CHINESE |= {"logiqa-zh"}
"""Exams whose frame is Chinese."""
RULES: dict[str, AnswerRule] = {"gaokao-physics": "set", "gaokao-mathcloze": "math"}
TASKS = {
    name: Exam("zh" if name in CHINESE else "en", RULES.get(name, "single")) for name in EXAM_TASKS
}
"""The 18 exams of the BayLing paper: nine of GaoKao, nine it counts as English."""

CHOICE_FRAMES = {
    "en": (
        "Question:\n{question}\nChoices:\n{options}\n\n"
        'Answer:\nOutput the correct answer in this format: "Answer is choice ()"'
    ),
    "zh": '问题：\n{question}\n选项：\n{options}\n\n答案：\n按照此格式输出正确答案："答案是选项()"',
}
CLOZE_FRAME = "问题：{question}\n答案："


def exam_prompt(task: Exam, row: dict[str, Any]) -> str:
    """Returns the prompt for one AGIEval row (``passage``, ``question``, ``options``)."""
    if task.rule == "math":
        return CLOZE_FRAME.format(question=row["question"])
    question = CHOICE_FRAMES[task.language].format(
        question=row["question"], options="\n".join(row["options"])
    )
    passage = row["passage"]
    return question if passage is None else f"{passage}\n\n{question}"


def gold_answer(task: Exam, row: dict[str, Any]) -> str:
    """Returns the expected answer: a letter, letters in alphabetical order, or an expression.

    Physics items with one correct letter have a plain label and the others a list.
    """
    if task.rule == "math":
        return str(row["answer"])
    label = row["label"]
    return "".join(sorted(label)) if isinstance(label, list) else str(label)
