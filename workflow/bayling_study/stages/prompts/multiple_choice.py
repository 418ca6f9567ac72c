"""What every collection of multiple-choice questions gives."""

from __future__ import annotations

import string
from dataclasses import dataclass

LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class ExamQuestion:
    """One question as a system reads it.

    Attributes:
        text: what the system is given, up to where its answer begins.
        choices: how the possible answers are written.
        gold: position of the right one.
    """

    text: str
    choices: list[str]
    gold: int


def lettered(stem: str, answers: list[str], gold: int) -> ExamQuestion:
    """Returns a question whose answers are listed and answered by letter, as MMLU's are."""
    lines = [f"{letter}. {answer}" for letter, answer in zip(LETTERS, answers, strict=False)]
    return ExamQuestion("\n".join([stem, *lines, "Answer:"]), list(LETTERS[: len(answers)]), gold)
