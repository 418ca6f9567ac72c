"""Suite kind ``harness``: the questions of lm-evaluation-harness tasks as prompts. A prompt's
number is the number of the question in the task, by which the harness is asked for it again. Its
turn is the question as the harness words it without examples; the choices and the right one are in
``meta``."""

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from bayling_study.config.multiple_choice import HarnessSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import require
from bayling_study.shared.harness_tasks import definitions, load_task
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.multiple_choice import ExamQuestion, choice_prompt
from bayling_study.stages.prompts.released import chosen


def build(name: str, suite: HarnessSuite, context: PromptContext) -> Prompts:
    """Returns the questions of all tasks; ``meta`` has ``choices``, ``gold`` and ``task``
    (``StudyError`` if a task is unknown, empty or not multiple choice, or a choice is no text)."""
    root = context.files_of(suite.source)
    for item in expanded(name, suite):
        task = load_task(item, suite, root)
        if task.OUTPUT_TYPE != "multiple_choice":
            what = f"{item} is a task of kind {task.OUTPUT_TYPE!r}"
            fix = "multiple-choice tasks; what a system writes is judged by other suites"
            raise StudyError(what, where=f"suites.{name}.tasks", fix=fix)
        docs = task.eval_docs
        averages = ["average"]
        for group, patterns in suite.groups.items():
            averages += [group] * any(fnmatchcase(item, pattern) for pattern in patterns)
        for number in chosen(len(docs), suite.limit, context.seed, name, item):
            question = _question(task, docs[number], f"{item}/{number}")
            made = choice_prompt(name, f"{item}/{number}", question, averages)
            yield replace(made, meta={"task": item, **made.meta})


def expanded(name: str, suite: HarnessSuite) -> list[str]:
    """Returns the tasks that names and patterns mean, once (``StudyError`` if one means none)."""
    known = definitions(suite.folder)
    found: dict[str, None] = {}
    for pattern in suite.tasks:
        matching = sorted(task for task in known if fnmatchcase(task, pattern))
        if not matching:
            require("harness task", pattern, known, f"suites.{name}.tasks")
        found |= dict.fromkeys(matching)
    return list(found)


def _question(task: Any, doc: dict[str, Any], where: str) -> ExamQuestion:
    choices = list(task.doc_to_choice(doc))
    if odd := [choice for choice in choices if not isinstance(choice, str)]:
        raise StudyError(f"a choice is {type(odd[0]).__name__}, not text", where=where)
    text = task.doc_to_text(doc)
    # Winograd tasks vary the context and share the continuation: the harness then gives the
    # number of the right context as the text.
    several = isinstance(text, int)
    gold = text if several else _position(task.doc_to_target(doc), choices)
    return ExamQuestion("" if several else str(text), choices, gold)


def _position(target: Any, choices: list[str]) -> int:
    """Returns the position of the right choice; -1 where the row names none."""
    if isinstance(target, int):
        return target
    return choices.index(str(target)) if str(target) in choices else -1
