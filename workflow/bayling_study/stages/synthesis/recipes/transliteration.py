"""Transliteration: a sentence written in Latin letters, or back in its own script. TransliCo (arXiv
2401.06620) and TransMI (2405.09913) bring scripts together for encoders, with a sentence and its
transliteration by uroman; this is the same pair for a causal model, as a task."""

from random import Random

from bayling_study.core.tables import beside
from bayling_study.shared.interactive.types import Step
from bayling_study.shared.romanisation import has_other_script, romanised
from bayling_study.stages.synthesis.parts import draw, written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

WORDINGS = beside(__file__)


@recipe("transliteration", fits=lambda direction: has_other_script(direction.split("-")[0]))
def transliteration(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """The source of a segment and its transliteration, each as often the answer as the other."""
    if (segment := draw(workshop, direction, "transliteration")) is None:
        return None
    pair = segment.source_text, romanised(segment.source_text, segment.source)
    task = rng.choice(sorted(WORDINGS))
    given, answer = pair if task == "into Latin letters" else pair[::-1]
    language, user = written(WORDINGS[task], workshop, rng, segment.source, source=given)
    step = Step("transliteration", user, answer, [], segment)
    return instruction_of("transliteration", direction, language, [step])
