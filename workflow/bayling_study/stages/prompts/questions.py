"""Suite kind ``questions``: multiple-choice questions that packages ship, a language an item. They
are what Belebele, m_mmlu and the like are to a full study: real questions in many languages,
without the hub. Each collection is a module with one function that returns a language's questions;
here they are drawn and become prompts, which the stage ``harness`` has answered by likelihood."""

from bayling_study.config.multiple_choice import QuestionsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.stages.prompts import PromptContext, capitals, mmlu_development, school_exams
from bayling_study.stages.prompts.multiple_choice import ExamQuestion, choice_prompt
from bayling_study.stages.prompts.released import chosen


def build(name: str, suite: QuestionsSuite, context: PromptContext) -> list[Prompt]:
    """Returns the questions of all languages; ``meta`` has ``choices`` and ``gold`` (``StudyError``
    if the collection does not have a language, or its source is not named)."""
    prompts: list[Prompt] = []
    for language in suite.languages:
        questions = _questions(name, suite, language, context)
        for number in chosen(len(questions), suite.limit, context.seed, name, language):
            place, question = f"{language}/{number}", questions[number]
            prompts.append(choice_prompt(name, place, question, ["average"], target=language))
    return prompts


def _questions(
    name: str, suite: QuestionsSuite, language: str, context: PromptContext
) -> list[ExamQuestion]:
    if suite.collection == "capitals":
        return capitals.questions(language, context.seed, suite.entities)
    if suite.source is None:
        what = f"the collection {suite.collection!r} is read from a source"
        fix = "source: evals" if suite.collection == "school-exams" else "source: lm-eval"
        raise StudyError(what, where=f"suites.{name}.source", fix=fix)
    root = context.files_of(suite.source)
    if suite.collection == "school-exams":
        return school_exams.questions(language, root)
    return mmlu_development.questions(language, root)
