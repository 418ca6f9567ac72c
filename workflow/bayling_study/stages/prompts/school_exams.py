"""EXAMS: school exam questions in 16 languages, from the package ``evals``. Hardalov et al.,
"EXAMS: A Multi-subject High School Examinations Dataset" (EMNLP 2020), CC BY-SA 4.0. The package
(3.0.1.post1) holds them as chat rows: the last message is the question with its lettered answers,
``ideal`` the letter in brackets. 19,733 questions of 3 to 5 answers."""

import re
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_jsonl
from bayling_study.core.lookup import look_up
from bayling_study.core.tables import beside
from bayling_study.stages.prompts.multiple_choice import LETTERS, ExamQuestion, lettered

FOLDER = "evals/registry/data"
NAMES: dict[str, str] = beside(__file__)
"""Language code to the name that the package's folders carry."""
ANSWER = re.compile(r"\n([A-Z])\. ")


def questions(language: str, root: Path) -> list[ExamQuestion]:
    """Returns a language's questions (``StudyError`` if EXAMS has none or a row is malformed)."""
    name = look_up("language of EXAMS", language, NAMES, "suites.SUITE.languages")
    path = root / FOLDER / f"{name}-exams-qa" / "samples.jsonl"
    rows = enumerate(read_jsonl(path), start=1)
    return [_question(row, f"{path}:{number}") for number, row in rows]


def _question(row: Any, where: str) -> ExamQuestion:
    try:
        text = str(row["input"][-1]["content"]).removesuffix("Answer:").rstrip("\n")
        right = str(row["ideal"]).strip("[]")
    except (KeyError, TypeError, IndexError) as error:
        raise StudyError(f"not a row of EXAMS ({error!r})", where=where) from error
    stem, *parts = ANSWER.split(text)
    letters, answers = "".join(parts[::2]), parts[1::2]
    if len(answers) < 2 or letters != LETTERS[: len(letters)] or right not in letters:
        raise StudyError(f"the answers are {letters!r} and the right one {right!r}", where=where)
    return lettered(stem, answers, letters.index(right))
