"""MMLU's development items in seven languages, from the package ``lm-eval``. The harness's task
definitions ``llama3/instruct/mmlu_LANGUAGE`` carry, as examples to show, the five development items
of each of 57 subjects of a translated MMLU: 285 real questions per language, without the hub."""

from pathlib import Path
from typing import Any

import yaml

from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import require
from bayling_study.stages.prompts.multiple_choice import ExamQuestion, lettered

FOLDER = "lm_eval/tasks/llama3/instruct"
LANGUAGES = ("de", "es", "fr", "hi", "it", "pt", "th")


class _Definition(yaml.SafeLoader):
    """Reads a task definition as data: tags that name code are left unread."""


_Definition.add_multi_constructor("!", lambda *_: None)


def questions(language: str, root: Path) -> list[ExamQuestion]:
    """Returns a language's questions by subject (``StudyError`` if none can be read)."""
    require("language of the development items", language, LANGUAGES, "suites.SUITE.languages")
    folder = root / FOLDER / f"mmlu_{language}"
    files = sorted(folder.glob(f"mmlu_{language}_*.yaml"))
    if not files:
        raise StudyError("no task definitions", where=folder)
    return [question for path in files for question in _subject(path)]


def _subject(path: Path) -> list[ExamQuestion]:
    try:
        definition = yaml.load(path.read_text(encoding="utf-8"), Loader=_Definition)
        return [_question(row) for row in definition["fewshot_config"]["samples"]]
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise StudyError(f"not a definition with examples ({error})", where=path) from error


def _question(row: dict[str, Any]) -> ExamQuestion:
    choices = row["input_choice_list"]
    letters = sorted(choices)
    gold = letters.index(row["input_correct_responses"][0])
    return lettered(str(row["input_question"]), [str(choices[letter]) for letter in letters], gold)
