"""What several recipes share: drawing a segment, wording a request, one turn of a demand."""

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random

from bayling_study.core import languages
from bayling_study.shared.interactive.dialogue import choose
from bayling_study.shared.interactive.registry import Fits, demand_named
from bayling_study.shared.interactive.types import DirectedPair, Scene
from bayling_study.stages.synthesis.registry import Workshop
from bayling_study.stages.synthesis.types import Instruction, instruction_of


def draw(
    workshop: Workshop, direction: str, condition: str = "", fits: Fits | None = None
) -> DirectedPair | None:
    """Returns the least used segment that fits; nothing if there is none. The segments that fit are
    found once for each name of a condition."""
    library = workshop.library
    deck = library.deck(direction, {condition: partial(fits, library)} if fits else {})
    return deck.draw() if len(deck) else None


def written(
    wordings: Mapping[str, Sequence[str]],
    workshop: Workshop,
    rng: Random,
    target: str,
    pivot: str = "",
    **values: str,
) -> tuple[str, str]:
    """Returns the language of the user's words, drawn, and one of its wordings, filled in.
    ``wordings`` have ``{language}`` for the name of the answer's language (``target``) and
    ``{pivot}`` for that of a second one; ``values`` are what else they name."""
    chosen = choose(workshop.mixture.instruction_languages, rng)
    values["language"] = languages.name(target, chosen)
    if pivot:
        values["pivot"] = languages.name(pivot, chosen)
    return chosen, rng.choice(wordings[chosen]).format(**values)


def single_turn(
    workshop: Workshop, direction: str, rng: Random, name: str, kind: str
) -> Instruction | None:
    """Makes a conversation of one turn, of the recipe ``name``, from an opening demand."""
    opening = demand_named(kind)
    if (segment := draw(workshop, direction, kind, opening.fits)) is None:
        return None
    language = choose(workshop.mixture.instruction_languages, rng)
    step = opening.make(Scene(segment, language), workshop.library, rng)
    return None if step is None else instruction_of(name, direction, language, [step])
