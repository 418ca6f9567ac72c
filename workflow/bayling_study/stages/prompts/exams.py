"""AGIEval's exams, zero-shot, with the prompts of the BayLing paper.

The wording is that of the released prompt files (ictnlp/BayLing at 8f6ecb9,
``exp/examination/*/inputs``), byte for byte. A passage that is an empty string
still adds its blank line, as in those files.

Labels are those of microsoft/AGIEval at 3680910 (2023-06-05), the ones the
paper scored with; a commit three days later changes some of them.
"""

from typing import Any, Literal

from bayling_study.config.suites import EXAM_TASKS, ExamsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.core.tables import beside
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import item_rows

FOLDER = "data/v1"
AnswerRule = Literal["single", "set", "math"]
"""``single``: one letter; ``set``: all letters that apply; ``math``: an expression."""

GAOKAO = {name for name in EXAM_TASKS if name.startswith("gaokao-")}
CHINESE = GAOKAO - {"gaokao-english"} | {"logiqa-zh"}
"""Exams whose prompt has a Chinese frame; that of the others is English."""
RULES: dict[str, AnswerRule] = {"gaokao-physics": "set", "gaokao-mathcloze": "math"}
"""How an answer is read and compared; of the other exams it is ``single``."""

CHOICE_FRAMES: dict[str, str] = beside(__file__)
CLOZE_FRAME = "问题：{question}\n答案："


def build(name: str, suite: ExamsSuite, context: PromptContext) -> Prompts:
    """Returns one prompt per question, task by task (``StudyError`` if a row is malformed). The
    reference is the label; ``meta.answer_rule`` says how an answer is read (``single``, ``set`` or
    ``math``). A task whose file the source lacks is skipped with a message."""
    folder = context.files_of(suite.source) / FOLDER
    for task in suite.tasks:
        path, rule = folder / f"{task}.jsonl", RULES.get(task, "single")
        language = "zh" if task in CHINESE else "en"
        for number, (where, row) in enumerate(item_rows(name, task, path), start=1):
            try:
                turn, gold = _asked(rule, language, row)
            except (KeyError, TypeError) as error:
                raise StudyError(f"not a row of AGIEval v1 ({error!r})", where=where) from error
            what = f"{task}/{number}", name, task, {"target": language}
            yield Prompt(*what, [turn], [gold], {"answer_rule": rule})


def _asked(rule: AnswerRule, language: str, row: dict[str, Any]) -> tuple[str, str]:
    """Returns the prompt of a row of AGIEval and the expected answer: a letter, sorted letters, or
    an expression. Physics items with one correct letter have a plain label, others a list."""
    if rule == "math":
        return CLOZE_FRAME.format(question=row["question"]), str(row["answer"])
    options = "\n".join(row["options"])
    question = CHOICE_FRAMES[language].format(question=row["question"], options=options)
    passage, label = row["passage"], row["label"]
    turn = question if passage is None else f"{passage}\n\n{question}"
    return turn, "".join(sorted(label)) if isinstance(label, list) else str(label)
