"""Translations that a teacher rewrites: in other words, or in another style or register. The first
answer is aligned text, the second one the teacher's, taken only if code finds it plausible: in the
right script, of about the same length, with the names kept, changed, and yet about the same thing.
"""

from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any

from bayling_study.core import languages
from bayling_study.core.tables import beside
from bayling_study.core.text.words import length
from bayling_study.shared.interactive.checks import Check, satisfied
from bayling_study.shared.interactive.dialogue import choose
from bayling_study.shared.interactive.library import kept_names
from bayling_study.shared.interactive.openings import in_script
from bayling_study.shared.interactive.registry import demand_named
from bayling_study.shared.interactive.types import Scene, Step
from bayling_study.stages.synthesis.parts import draw
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.teacher import TeacherQuestion
from bayling_study.stages.synthesis.types import Instruction, instruction_of

SHORTEST, LONGEST = 0.5, 2.0
"""Length of a rewritten text as a share of the first one."""
COMMON = 0.15
"""Words that it must share with the first one: another text altogether is no rewriting."""

WORDINGS = beside(__file__)


@recipe("paraphrase", taught=True)
def paraphrase(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a translation, then for a paraphrase of it."""
    return _rewritten(workshop, direction, rng, "paraphrase", WORDINGS["paraphrase"])


@recipe("style", taught=True)
def style(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a translation, then for another style."""
    wordings = WORDINGS["styles"][rng.choice(sorted(WORDINGS["styles"]))]
    return _rewritten(workshop, direction, rng, "style", wordings)


def _rewritten(
    workshop: Workshop, direction: str, rng: Random, name: str, wordings: Mapping[str, Any]
) -> TeacherQuestion | None:
    """Returns the question to the teacher; nothing if the direction has no segment. The teacher is
    told the ``task`` of the wordings; by language they have what the user may write."""
    if (segment := draw(workshop, direction)) is None:
        return None
    language = choose(workshop.mixture.instruction_languages, rng)
    first = demand_named("translate").make(Scene(segment, language), workshop.library, rng)
    if first is None:
        return None
    user = rng.choice(wordings[language])
    target = languages.name(segment.target)
    told = {"task": wordings["task"], "text": segment.target_text}
    messages = [{"role": "user", "content": WORDINGS["frame"].format(language=target, **told)}]
    return TeacherQuestion(messages, partial(_finished, name, direction, language, first, user))


def _finished(
    name: str, direction: str, language: str, first: Step, user: str, answer: str
) -> Instruction | str:
    """Returns the conversation, or why the teacher's answer cannot be used."""
    if reason := fault(first, answer):
        return reason
    second = Step(name, user, answer, [], first.segment)
    return instruction_of(name, direction, language, [first, second], [name])


def fault(first: Step, answer: str) -> str:
    """Returns what is wrong with a rewritten answer, or an empty text."""
    checks: list[tuple[Check, str]] = [
        (in_script(first.segment.target), "another script"),
        ({"type": "changed"}, "unchanged"),
        ({"type": "similar", "text": first.answer, "least": COMMON}, "another text"),
    ]
    names = kept_names(first.segment)
    checks += [({"type": "contains", "text": name}, "a name is lost") for name in names]
    size = length(answer, "characters") / max(1, length(first.answer, "characters"))
    if not SHORTEST <= size <= LONGEST:
        return "too short or too long"
    failed = (reason for check, reason in checks if not satisfied(check, answer, [first.answer]))
    return next(failed, "")
