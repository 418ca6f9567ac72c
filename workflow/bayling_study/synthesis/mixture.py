"""Making a mixture: so many conversations of each recipe and direction, gated and shuffled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bayling_study import chat, seeds
from bayling_study.config.synthesis import Mixture
from bayling_study.errors import StudyError
from bayling_study.interactive.dialogue import Director, Rejections
from bayling_study.interactive.library import Library
from bayling_study.synthesis.decontamination import Contamination
from bayling_study.synthesis.recipes import Recipe, Workshop, recipe_named
from bayling_study.synthesis.types import Instruction

TRIES = 25
"""Draws for one conversation before a direction's material counts as exhausted."""


@dataclass(frozen=True)
class Measured:
    """An accepted conversation with its lengths in tokens.

    Attributes:
        instruction: the conversation.
        tokens: tokens in the mixture's template.
        trained: those with loss, the ends of turns included.
    """

    instruction: Instruction
    tokens: int
    trained: int


class Gate:
    """Decides what enters the training set and counts what does not."""

    def __init__(self, mixture: Mixture, tokenizer: Any, tests: Contamination) -> None:
        self._mixture = mixture
        self._tokenizer = tokenizer
        self._tests = tests
        self._seen: set[bytes] = set()
        self.rejections = Rejections()

    def admit(self, made: Instruction, name: str) -> Measured | None:
        """Returns the measured conversation under its id, or nothing if it is rejected."""
        text = "\n".join(message["content"] for message in made.messages)
        digest = hashlib.sha256(text.encode()).digest()
        ids, mask = chat.encode(self._tokenizer, self._mixture.template, made.messages)
        limit = self._mixture.recipe_max_tokens.get(made.recipe, self._mixture.max_tokens)
        reason = "duplicate" if digest in self._seen else ""
        if not reason and len(ids) > min(limit, self._mixture.max_tokens):
            reason = "too long"
        reason = reason or self._contaminated(made)
        if reason:
            self.rejections.add(f"{made.recipe}: {reason}", text[:200])
            return None
        self._seen.add(digest)
        return Measured(replace(made, id=name), len(ids), sum(mask))

    def _contaminated(self, made: Instruction) -> str:
        reasons = (self._tests.reason(message["content"]) for message in made.messages)
        return next((reason for reason in reasons if reason), "")


@dataclass(frozen=True)
class Made:
    """A finished mixture.

    Attributes:
        conversations: in their final order.
        wanted: conversations asked for, by ``RECIPE/DIRECTION``.
        rejections: why rows, turns and conversations were left out, by stage.
        uses: how often each aligned row was drawn.
        rows: training rows of the corpora after decontamination.
    """

    conversations: list[Measured]
    wanted: dict[str, int]
    rejections: dict[str, Rejections]
    uses: Mapping[str, int]
    rows: int


def make(
    name: str,
    mixture: Mixture,
    seed: int,
    parallel: Iterable[Mapping[str, Any]],
    conversations: Iterable[Mapping[str, Any]],
    tokenizer: Any,
) -> Made:
    """Makes a mixture; the same arguments give the same conversations in the same order.

    Args:
        name: the mixture's name, part of every seed.
        mixture: its section of the config.
        seed: the study's seed.
        parallel: all rows of ``parallel.parquet``; test rows only guard the others.
        conversations: all rows of ``conversations.parquet``.
        tokenizer: the foundation's.

    Raises:
        StudyError: the config names a recipe, demand or direction that gives nothing.
    """
    rows = list(parallel)
    tests = Contamination(row for row in rows if row["split"] == "test")
    cleaning = Rejections()
    kept = [row for row in rows if row["split"] == "train" and _is_clean(row, tests, cleaning)]
    directions = [direction for direction, share in mixture.directions.items() if share > 0]
    library = Library(kept, directions, seed)
    _check_material(library, mixture)
    director = Director(library, mixture.demands, mixture.turns, mixture.instruction_languages)
    general = _shuffled(conversations, seed, name)
    workshop = Workshop(mixture, library, director, general)
    gate = Gate(mixture, tokenizer, tests)
    wanted: dict[str, int] = {}
    made: list[Measured] = []
    for recipe, direction, count in portions(mixture):
        wanted["/".join(filter(None, (recipe.name, direction)))] = count
        made += _portion(workshop, gate, recipe, direction, count, seeds.derive_seed(seed, name))
    seeds.generator(seed, "synthesis", name, "order").shuffle(made)
    reasons = {"corpora": cleaning, "demands": director.rejections, "mixture": gate.rejections}
    return Made(made, wanted, reasons, library.uses, len(kept))


def _portion(
    workshop: Workshop, gate: Gate, recipe: Recipe, direction: str, count: int, seed: int
) -> Iterator[Measured]:
    """Yields the conversations of one recipe and direction, fewer when material runs out."""
    place = direction or "all"
    for number in range(count):
        rng = seeds.generator(seed, recipe.name, place, str(number))
        for _ in range(TRIES if recipe.directed else len(TAKE_ALL)):
            made = recipe.make(workshop, direction, rng)
            if made is None and not recipe.directed:
                return
            name = f"{recipe.name}/{place}/{number:06d}"
            measured = None if made is None else gate.admit(made, name)
            if measured is not None:
                yield measured
                break
        else:
            gate.rejections.add(f"{recipe.name}: no material left")
            return


TAKE_ALL = range(1 << 40)
"""An undirected recipe is asked until it has nothing left."""


def portions(mixture: Mixture) -> Iterator[tuple[Recipe, str, int]]:
    """Yields recipe, direction and number of conversations; the numbers add up exactly.

    Raises:
        StudyError: a recipe is unknown, or a translation recipe has no directions.
    """
    counts = apportion(mixture.conversations, mixture.shares)
    for name, count in counts.items():
        recipe = recipe_named(name)
        if not recipe.directed:
            yield recipe, "", count
            continue
        if count and not mixture.directions:
            raise StudyError(f"the recipe {name!r} needs directions", fix="directions: {zh-en: 1}")
        for direction, part in apportion(count, mixture.directions).items():
            yield recipe, direction, part


def apportion(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Divides a whole number by shares with the largest-remainder rule."""
    exact = {name: total * share for name, share in shares.items()}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}
    by_remainder = sorted(shares, key=lambda name: (counts[name] - exact[name], name))
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def _is_clean(row: Mapping[str, Any], tests: Contamination, counted: Rejections) -> bool:
    reason = tests.reason(row["text_a"]) or tests.reason(row["text_b"])
    if reason:
        counted.add(reason, f"{row['text_a']} | {row['text_b']}")
    return not reason


def _check_material(library: Library, mixture: Mixture) -> None:
    for direction, share in mixture.directions.items():
        if share and not library.segments(direction):
            raise StudyError(
                "the corpora have no training segment of this direction",
                where=f"directions.{direction}",
                fix="add a parallel corpus with these languages, or remove the direction",
            )


def _shuffled(
    rows: Iterable[Mapping[str, Any]], seed: int, name: str
) -> Iterator[Mapping[str, Any]]:
    order = list(rows)
    seeds.generator(seed, "synthesis", name, "general").shuffle(order)
    return iter(order)
