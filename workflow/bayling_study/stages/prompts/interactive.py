"""Suite kind ``interactive``: held-out conversations that add a demand in each turn.

Made by the same demand code as the training conversations, from test-side segments only; terms are
those that the training side translates consistently or that a term list has. The user's turns are
fixed, the system's own earlier answers are fed back, and the checks of a turn are therefore about
that conversation: what the answer must contain, and how it relates to the system's own answer
before it. The references are the answers of a perfect system.
"""

from typing import Any

from bayling_study.config.suites import InteractiveSuite
from bayling_study.core import seeds
from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.shared.aligned_rows import first_rows, rows_of
from bayling_study.shared.corpus_tables import PARALLEL_FILE, TERMS_FILE
from bayling_study.shared.interactive.dialogue import Director
from bayling_study.shared.interactive.lexicon import MAX_SEGMENTS
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.types import Dialogue
from bayling_study.stages.prompts import PromptContext, Prompts

TRIES = 50  # draws for one conversation before the test side counts as used up


def build(name: str, suite: InteractiveSuite, context: PromptContext) -> Prompts:
    """Returns conversations by direction, all different (``StudyError`` if too few can be made)."""
    corpora = context.need_corpora()
    path = corpora / PARALLEL_FILE
    seed = seeds.derive_seed(context.seed, "suites", name)
    library = Library(
        rows_of(path, "test", suite.directions),
        suite.directions,
        seed,
        lexicon_rows=first_rows(path, "train", suite.directions, MAX_SEGMENTS),
        term_lists=corpora / TERMS_FILE,
    )
    instructions = suite.instruction_languages or {suite.prompt_language: 1.0}
    director = Director(library, suite.demands, suite.turns, instructions)
    for direction in suite.directions:
        for number, made in enumerate(_conversations(director, direction, suite, seed)):
            yield _prompt(name, direction, number, made)


def _conversations(
    director: Director, direction: str, suite: InteractiveSuite, seed: int
) -> list[Dialogue]:
    """Makes a direction's conversations; none has the same user turns as another."""
    found: dict[tuple[str, ...], Dialogue] = {}
    for number in range(suite.conversations * TRIES):
        made = director.dialogue(direction, seeds.generator(seed, direction, str(number)))
        found.setdefault(tuple(step.user for step in made.steps), made)
        if len(found) == suite.conversations:
            return list(found.values())
    what = f"only {len(found)} of {suite.conversations} different conversations can be made"
    fix = "fewer conversations, or a larger corpora.split.test_share"
    raise StudyError(what, where=direction, fix=fix)


def _prompt(name: str, direction: str, number: int, made: Dialogue) -> Prompt:
    meta: dict[str, Any] = {"source_text": made.segment.source_text}
    meta["instruction_language"] = made.instruction
    meta["demands"] = [
        {"kind": step.kind, "checks": step.checks, "target": step.segment.target}
        for step in made.steps
    ]
    languages = {"source": made.segment.source, "target": made.segment.target}
    users, answers = [step.user for step in made.steps], [step.answer for step in made.steps]
    return Prompt(f"{direction}/{number:04d}", name, direction, languages, users, answers, meta)
