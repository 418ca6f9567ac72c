"""Plain translation: one sentence, one request in varied English or Chinese, its translation."""

from __future__ import annotations

from random import Random

from bayling_study.stages.synthesis.parts import single_turn
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction


@recipe("translation")
def translation(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence and its translation."""
    return single_turn(workshop, direction, rng, "translation", "translate")
