"""Translation: of one sentence, plainly or with words that the answer must have (BayLing's
constrained translation, with one to three words), or interactively over several turns."""

from random import Random

from bayling_study.stages.synthesis.parts import single_turn
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of


@recipe("translation")
def translation(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence, one request in varied English or Chinese, and its translation."""
    return single_turn(workshop, direction, rng, "translation", "translate")


@recipe("constrained")
def constrained(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence, words to use, and the translation that has them."""
    return single_turn(workshop, direction, rng, "constrained", "include-words")


@recipe("interactive")
def interactive(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A request, then turns that each add a demand (see ``bayling_study.shared.interactive``)."""
    made = workshop.director.find(direction, rng)
    if made is None:
        return None
    kinds = [step.kind for step in made.steps]
    return instruction_of("interactive", direction, made.instruction, made.steps, kinds)
