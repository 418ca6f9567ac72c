"""The register of demands: functions that, given the scene, make the next turn (what the user
writes, the answer that satisfies it, and the checks that prove it) if it has material for one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from bayling_study.core.lookup import look_up
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.types import DirectedPair, Scene, Step

Make = Callable[[Scene, Library, Random], Step | None]
Fits = Callable[[Library, DirectedPair], object]
"""Gives something true where a segment has material."""


@dataclass(frozen=True)
class Demand:
    """A kind of demand, by its name in the config; it fits every segment unless ``fits`` says less.
    One that ``opens`` is a first turn; nothing may follow one that ``ends``, for its answer is no
    plain translation; ``after`` is the opening it needs. A later turn's must ask for a change."""

    name: str
    make: Make
    fits: Fits | None = None
    opens: bool = False
    ends: bool = False
    after: str = ""


DEMANDS: dict[str, Demand] = {}  # all demands by name


def demand(name: str, **options: Any) -> Callable[[Make], Make]:
    """Registers a function as a demand; see ``Demand`` for the options."""

    def register(make: Make) -> Make:
        DEMANDS[name] = Demand(name, make, **options)
        return make

    return register


def drawing_demand(
    name: str, options: Callable[[Library, DirectedPair], Sequence[Any]], **others: Any
) -> Callable[[Callable[[Scene, Any, Random], Step | None]], Make]:
    """Registers ``make(scene, option, rng)``, which gets a random one of the options, as a demand;
    without options there is no material, and ``fits`` may be a weaker condition."""

    def register(make: Callable[[Scene, Any, Random], Step | None]) -> Make:
        def drawn(scene: Scene, library: Library, rng: Random) -> Step | None:
            found = options(library, scene.segment)
            return make(scene, rng.choice(found), rng) if found else None

        return demand(name, **{"fits": options} | others)(drawn)

    return register


def demand_named(name: str) -> Demand:
    """Returns a demand (``StudyError`` if nothing is registered under that name)."""
    return look_up("demand", name, DEMANDS)
