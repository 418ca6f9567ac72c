"""Suite kind ``nli``: a premise, a hypothesis, and which of three answers is right. The sentences
and labels are upstream's; how a label is worded is the suite's. Answered by likelihood in the stage
``harness``, as all multiple choice."""

import re
from pathlib import Path

from bayling_study.config.multiple_choice import NliSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_jsonl
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.multiple_choice import ExamQuestion, choice_prompt
from bayling_study.stages.prompts.released import chosen

MARKS = re.compile(r"(\{premise\}|\{hypothesis\})")


def build(name: str, suite: NliSuite, context: PromptContext) -> Prompts:
    """Returns the questions of all categories; ``meta`` has ``choices``, ``gold`` and how many rows
    of the category have no label (``StudyError`` if a row lacks a field, or none has a label)."""
    root = context.files_of(suite.source)
    for category, file in suite.categories.items():
        questions, unlabelled = _questions(root / file, suite)
        for number in chosen(len(questions), suite.limit, context.seed, name, category):
            place, question = f"{category}/{number}", questions[number]
            made = choice_prompt(name, place, question, ["average"], target=suite.language)
            made.meta["unlabelled"] = unlabelled
            yield made


def _questions(path: Path, suite: NliSuite) -> tuple[list[ExamQuestion], int]:
    """Returns a file's questions, and the number of rows whose label is none of the suite's."""
    labels, answers = [*suite.labels], [*suite.labels.values()]
    found: list[ExamQuestion] = []
    rows = 0
    for rows, row in enumerate(read_jsonl(path), 1):
        fields = {name: row.get(name) for name in ("sentence1", "sentence2", "label")}
        if lacking := [name for name, text in fields.items() if not isinstance(text, str)]:
            raise StudyError(f"{lacking[0]!r} is not text", where=f"{path}:{rows}")
        if row["label"] in labels:
            said = {"{premise}": str(row["sentence1"]), "{hypothesis}": str(row["sentence2"])}
            text = "".join(said.get(part, part) for part in MARKS.split(suite.question))
            found.append(ExamQuestion(text, answers, labels.index(row["label"])))
    if not found:
        fix = f"labels: {{NAME: ANSWER}} with the file's names, not {', '.join(labels)}"
        raise StudyError("no row has a known label", where=path, fix=fix)
    return found, rows - len(found)
