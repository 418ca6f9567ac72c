"""Translation of one sentence, plainly or with words that the answer must have. The latter is
BayLing's constrained translation, with one to three words."""

from random import Random

from bayling_study.stages.synthesis.parts import single_turn
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction


@recipe("translation")
def translation(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence, one request in varied English or Chinese, and its translation."""
    return single_turn(workshop, direction, rng, "translation", "translate")


@recipe("constrained")
def constrained(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence, words to use, and the translation that has them."""
    return single_turn(workshop, direction, rng, "constrained", "include-words")
