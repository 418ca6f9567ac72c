"""The register of recipes: what a mixture's ``shares`` name. A recipe is one small module of
``synthesis/recipes``. It registers a function that makes one conversation at a time, or returns
nothing when a draw leads nowhere; it is then asked again. The folder is searched, and the
configuration knows the names that its modules register."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bayling_study.config.synthesis import Mixture
from bayling_study.core.lookup import look_up
from bayling_study.core.plugins import import_all
from bayling_study.shared.interactive.dialogue import Director, Rejections
from bayling_study.shared.interactive.library import Library
from bayling_study.stages.synthesis import recipes
from bayling_study.stages.synthesis.teacher import EndpointTeacher, TeacherQuestion
from bayling_study.stages.synthesis.types import Instruction


@dataclass
class Workshop:
    """What recipes work with.

    The library has aligned training segments; all recipes share its draws, so that no segment is
    used twice before all were used once. ``general`` are upstream conversations in the order in
    which they are taken, ``pending`` what one gave besides; ``teachers`` are those that the mixture
    names, by role, ``drawn`` the conversations begun that alternate in kind. ``kept`` are the texts
    that a recipe goes on from, by sort, and their sources. In ``rejections`` a recipe counts what
    it gives up, ``RECIPE: REASON``, in ``counted`` what it did to its drafts.
    """

    mixture: Mixture
    library: Library
    director: Director
    general: Iterator[Mapping[str, Any]]
    teachers: Mapping[str, EndpointTeacher] = field(default_factory=dict)
    drawn: int = 0
    kept: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    pending: list[Instruction] = field(default_factory=list)
    rejections: Rejections = field(default_factory=Rejections)
    counted: Counter[str] = field(default_factory=Counter)


Make = Callable[[Workshop, str, Random], Instruction | TeacherQuestion | None]
Fits = Callable[[str], bool]


@dataclass(frozen=True)
class Recipe:
    """A recipe by its name in the config: ``make(workshop, direction, rng)``. One that is
    ``directed`` is made for each direction that it ``fits``, others get an empty one. One that is
    ``taught`` returns a question for the mixture's teacher; without one it is left out and counted.
    One that goes on from what it made has a ``batch``, how many are asked for at once; it is made
    in one block, and given up as directed ones are."""

    name: str
    make: Make
    directed: bool = True
    taught: bool = False
    fits: Fits = lambda direction: True
    batch: int | None = None


RECIPES: dict[str, Recipe] = {}  # all recipes by name; ``recipe_named`` fills it


def recipe(name: str, **options: Any) -> Callable[[Make], Make]:
    """Registers a function as a recipe; see ``Recipe`` for the options. The configuration reads
    ``name``, ``directed`` and ``taught`` from the source: they are written out, not computed."""

    def register(make: Make) -> Make:
        RECIPES[name] = Recipe(name, make, **options)
        return make

    return register


def load_recipes() -> dict[str, Recipe]:
    """Imports every module of the folder of recipes and returns the register."""
    import_all(recipes)
    return RECIPES


def recipe_named(name: str) -> Recipe:
    """Returns a recipe (``StudyError`` if nothing is registered under that name)."""
    return RECIPES.get(name) or look_up("recipe", name, load_recipes())
