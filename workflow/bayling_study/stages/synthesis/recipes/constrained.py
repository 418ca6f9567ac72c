"""Translation with one to three words that the answer must have (BayLing's constrained sets)."""

from __future__ import annotations

from random import Random

from bayling_study.stages.synthesis.parts import single_turn
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction


@recipe("constrained")
def constrained(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence, words to use, and the translation that has them."""
    return single_turn(workshop, direction, rng, "constrained", "include-words")
