"""The recipes, registered by name; the config's ``shares`` name them.

A recipe makes one conversation at a time from the workshop's material, or
nothing when a draw leads nowhere; it is then asked again. A new method is one
more function here or in a module of its own that this package imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from bayling_study.config.synthesis import Mixture
from bayling_study.interactive.dialogue import Director, choose
from bayling_study.interactive.library import Library
from bayling_study.interactive.registry import demand_named
from bayling_study.interactive.types import Scene, Step
from bayling_study.lookup import look_up
from bayling_study.synthesis.types import Instruction, exchange


@dataclass
class Workshop:
    """What recipes work with.

    Attributes:
        mixture: the section of the config.
        library: aligned training segments; all recipes share its draws, so that
            no segment is used twice before all were used once.
        director: makes interactive dialogues.
        general: upstream conversations in the order in which they are taken.
    """

    mixture: Mixture
    library: Library
    director: Director
    general: Iterator[Mapping[str, Any]]


Make = Callable[[Workshop, str, Random], Instruction | None]


@dataclass(frozen=True)
class Recipe:
    """A recipe: ``make(workshop, direction, rng)``; undirected ones get an empty direction."""

    name: str
    make: Make
    directed: bool


RECIPES: dict[str, Recipe] = {}
"""All recipes by name."""


def recipe(name: str, *, directed: bool = True) -> Callable[[Make], Make]:
    """Registers a function as a recipe."""

    def register(make: Make) -> Make:
        RECIPES[name] = Recipe(name, make, directed)
        return make

    return register


def recipe_named(name: str) -> Recipe:
    """Returns a recipe.

    Raises:
        StudyError: nothing is registered under that name.
    """
    return look_up("recipe", name, RECIPES)


@recipe("translation")
def translation(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence and its translation."""
    return _single(workshop, direction, rng, "translation", "translate")


@recipe("constrained")
def constrained(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """The same with one to three words that the translation must have."""
    return _single(workshop, direction, rng, "constrained", "include-words")


def _single(
    workshop: Workshop, direction: str, rng: Random, name: str, kind: str
) -> Instruction | None:
    """Makes a conversation of one turn from an opening demand."""
    library, opening = workshop.library, demand_named(kind)
    deck = library.deck(direction, {kind: lambda segment: opening.fits(library, segment)})
    if not len(deck):
        return None
    language = choose(workshop.mixture.instruction_languages, rng)
    scene = Scene(deck.draw(), language)
    step = opening.make(scene, library, rng)
    return None if step is None else _instruction(name, direction, language, [step])


@recipe("interactive")
def interactive(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A dialogue in which each turn adds a demand (see ``bayling_study.interactive``)."""
    made = workshop.director.dialogue(direction, rng)
    return _instruction("interactive", direction, made.instruction, made.steps)


def _instruction(name: str, direction: str, language: str, steps: list[Step]) -> Instruction:
    languages = {language, *direction.split("-")}
    languages |= {step.segment.target for step in steps}
    return Instruction(
        recipe=name,
        source="+".join(sorted({step.segment.corpus for step in steps})),
        direction=direction,
        languages=sorted(languages),
        messages=[message for step in steps for message in exchange(step.user, step.answer)],
        demands=[step.kind for step in steps] if name == "interactive" else [],
        instruction=language,
    )


@recipe("general", directed=False)
def general(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """An upstream instruction or dialogue as it is; nothing when all are taken."""
    row = next(workshop.general, None)
    if row is None:
        return None
    messages = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
    return Instruction("general", row["source"], "", list(row["languages"]), messages)
