"""Translations that a teacher rewrites: what is asked, and what its answer must fulfil.

The user asks for a translation and then for another form of it. The first answer
is aligned text, the second one the teacher's, taken only if code finds it
plausible: in the right script, of about the same length, with the names kept,
changed, and yet about the same thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random

from bayling_study.core import languages
from bayling_study.core.text.words import length
from bayling_study.shared.interactive.checks import Check, satisfied
from bayling_study.shared.interactive.dialogue import choose
from bayling_study.shared.interactive.library import kept_names
from bayling_study.shared.interactive.openings import in_script
from bayling_study.shared.interactive.registry import demand_named
from bayling_study.shared.interactive.types import Scene, Step
from bayling_study.stages.synthesis.parts import draw
from bayling_study.stages.synthesis.registry import Workshop
from bayling_study.stages.synthesis.teacher import TeacherQuestion
from bayling_study.stages.synthesis.types import Instruction, instruction_of

SHORTEST, LONGEST = 0.5, 2.0
"""Length of a rewritten text as a share of the first one."""
COMMON = 0.15
"""Words that it must share with the first one: another text altogether is no rewriting."""

FRAME = (
    "Rewrite the {language} text below. {task} Keep its meaning, its language and all names. "
    "Answer with the rewritten text alone.\n\n{text}"
)


def rewritten(
    workshop: Workshop,
    direction: str,
    rng: Random,
    recipe: str,
    task: str,
    demands: Mapping[str, Sequence[str]],
) -> TeacherQuestion | None:
    """Returns the question to the teacher; nothing if the direction has no segment.

    Args:
        workshop: the material.
        direction: where to translate first.
        rng: draws.
        recipe: name of the recipe.
        task: what the teacher is told to do.
        demands: instruction language to what the user may write.
    """
    segment = draw(workshop, direction)
    if segment is None:
        return None
    language = choose(workshop.mixture.instruction_languages, rng)
    scene = Scene(segment, language)
    first = demand_named("translate").make(scene, workshop.library, rng)
    if first is None:
        return None
    user = rng.choice(demands[language])
    target = languages.name(segment.target)
    text = FRAME.format(language=target, task=task, text=segment.target_text)
    messages = [{"role": "user", "content": text}]
    return TeacherQuestion(messages, partial(_finished, recipe, direction, language, first, user))


def _finished(
    recipe: str, direction: str, language: str, first: Step, user: str, answer: str
) -> Instruction | str:
    """Returns the conversation, or why the teacher's answer cannot be used."""
    reason = fault(first, answer)
    if reason:
        return reason
    second = Step(recipe, user, answer, [], first.segment)
    return instruction_of(recipe, direction, language, [first, second], [recipe])


def fault(first: Step, answer: str) -> str:
    """Returns what is wrong with a rewritten answer, or an empty text."""
    checks: list[tuple[Check, str]] = [
        (in_script(first.segment.target), "another script"),
        ({"type": "changed"}, "unchanged"),
        ({"type": "similar", "text": first.answer, "least": COMMON}, "another text"),
    ]
    checks += [
        ({"type": "contains", "text": name}, "a name is lost") for name in kept_names(first.segment)
    ]
    size = length(answer, "characters") / max(1, length(first.answer, "characters"))
    if not SHORTEST <= size <= LONGEST:
        return "too short or too long"
    failed = (reason for check, reason in checks if not satisfied(check, answer, [first.answer]))
    return next(failed, "")
