"""Translations that a teacher rewrites: in other words, or in another style or register. The first
answer is aligned text, the second one the teacher's, taken only if code finds it plausible: in the
right script, of about the same length, with the names kept, changed, and yet about the same thing.
"""

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
from bayling_study.stages.synthesis.registry import Workshop, recipe
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


TASK = "Say the same in other words."
DEMANDS = {
    "en": ["Say it in other words.", "Could you paraphrase that?", "Give me another translation."],
    "zh": ["换一种说法。", "请改写一下译文。", "还可以怎么译？"],
}
STYLES = {
    "formal": ("Make it formal and polite.", "Make it more formal.", "请更正式一些。"),
    "casual": ("Make it casual, as among friends.", "Make it more casual.", "请更口语一些。"),
    "simple": ("Use short, simple words.", "Use simpler words.", "请用更简单的词。"),
    "literary": ("Make it literary.", "Give it a literary style.", "请写得更有文采。"),
    "news": ("Write it as a newspaper would.", "Write it like a news report.", "请写成新闻体。"),
}
"""Style to what the teacher is told and what the user says in English and in Chinese."""


@recipe("paraphrase", taught=True)
def paraphrase(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a translation, then for a paraphrase of it."""
    return _rewritten(workshop, direction, rng, "paraphrase", TASK, DEMANDS)


@recipe("style", taught=True)
def style(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a translation, then for another style."""
    task, english, chinese = STYLES[rng.choice(sorted(STYLES))]
    return _rewritten(workshop, direction, rng, "style", task, {"en": [english], "zh": [chinese]})


def _rewritten(
    workshop: Workshop,
    direction: str,
    rng: Random,
    name: str,
    task: str,
    demands: Mapping[str, Sequence[str]],
) -> TeacherQuestion | None:
    """Returns the question to the teacher; nothing if the direction has no segment. The teacher is
    told the task; ``demands`` has what the user may write, by language."""
    segment = draw(workshop, direction)
    if segment is None:
        return None
    language = choose(workshop.mixture.instruction_languages, rng)
    first = demand_named("translate").make(Scene(segment, language), workshop.library, rng)
    if first is None:
        return None
    user = rng.choice(demands[language])
    target = languages.name(segment.target)
    text = FRAME.format(language=target, task=task, text=segment.target_text)
    messages = [{"role": "user", "content": text}]
    return TeacherQuestion(messages, partial(_finished, name, direction, language, first, user))


def _finished(
    name: str, direction: str, language: str, first: Step, user: str, answer: str
) -> Instruction | str:
    """Returns the conversation, or why the teacher's answer cannot be used."""
    reason = fault(first, answer)
    if reason:
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
