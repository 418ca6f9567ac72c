"""What every collection of multiple-choice questions gives."""

import string
from typing import Any, NamedTuple

from bayling_study.core.records import Prompt

LETTERS = string.ascii_uppercase


class ExamQuestion(NamedTuple):
    """One question as a system reads it, up to where its answer begins. ``choices`` are the
    possible answers as they are written, ``gold`` the right one's position."""

    text: str
    choices: list[str]
    gold: int


def choice_prompt(
    suite: str, place: str, question: ExamQuestion, averages: list[str], **languages: str
) -> Prompt:
    """Returns a question as a prompt with the id ``place``, ``ITEM/NUMBER``. ``meta`` has its
    number, ``choices``, ``gold`` and the averages that the item enters. The reference is empty
    where the right choice is not among the choices."""
    item, _, number = place.rpartition("/")
    found = question.choices[question.gold] if 0 <= question.gold < len(question.choices) else ""
    meta: dict[str, Any] = {"number": int(number), "choices": question.choices}
    meta |= {"gold": question.gold, "averages": averages}
    return Prompt(place, suite, item, languages, [question.text], [found], meta)


def lettered(stem: str, answers: list[str], gold: int) -> ExamQuestion:
    """Returns a question whose answers are listed and answered by letter, as MMLU's are."""
    lines = [f"{letter}. {answer}" for letter, answer in zip(LETTERS, answers, strict=False)]
    return ExamQuestion("\n".join([stem, *lines, "Answer:"]), list(LETTERS[: len(answers)]), gold)
