"""Interactive translation: a request, then turns that each add a demand."""

from random import Random

from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of


@recipe("interactive")
def interactive(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A dialogue of verified turns (see ``bayling_study.shared.interactive``)."""
    if (made := workshop.director.find(direction, rng)) is None:
        return None
    kinds = [step.kind for step in made.steps]
    return instruction_of("interactive", direction, made.instruction, made.steps, kinds)
