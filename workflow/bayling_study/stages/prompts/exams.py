"""AGIEval's exams, zero-shot, with the prompts of the BayLing paper.

Labels are those of microsoft/AGIEval at 3680910 (2023-06-05), the ones the
paper scored with; a commit three days later changes some of them.
"""

from __future__ import annotations

from typing import Any

from bayling_study.config.suites import ExamsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.exam_prompts import TASKS, exam_prompt, gold_answer
from bayling_study.stages.prompts.released import check_known, item_rows

FOLDER = "data/v1"


def build(name: str, suite: ExamsSuite, context: PromptContext) -> list[Prompt]:
    """Returns one prompt per question, task by task.

    The reference is the label; ``meta.answer_rule`` says how an answer is read
    (``single``, ``set`` or ``math``). A task whose file the source lacks is
    skipped with a message.

    Raises:
        StudyError: a task is not one of the paper's 18, or a row is malformed.
    """
    check_known("exam", suite.tasks, TASKS, f"suites.{name}.tasks")
    folder = files_root(context.need_download(suite.source)) / FOLDER
    prompts: list[Prompt] = []
    for task in suite.tasks:
        path = folder / f"{task}.jsonl"
        for number, (where, row) in enumerate(item_rows(name, task, path), start=1):
            prompts.append(_prompt(name, task, number, row, where))
    return prompts


def _prompt(name: str, task: str, number: int, row: Any, where: str) -> Prompt:
    kind = TASKS[task]
    try:
        turn, gold = exam_prompt(kind, row), gold_answer(kind, row)
    except (KeyError, TypeError) as error:
        raise StudyError(f"not a row of AGIEval v1 ({error!r})", where=where) from error
    language: dict[str, str] = {"target": kind.language}
    meta = {"answer_rule": kind.rule}
    return Prompt(f"{task}/{number}", name, task, language, [turn], [gold], meta)
