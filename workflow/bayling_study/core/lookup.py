"""Finding what a name stands for, or telling what to write instead, always in the same message."""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from bayling_study.core.errors import StudyError

Thing = TypeVar("Thing")
Kind = TypeVar("Kind")

LIKENESS = 0.7  # least likeness (``difflib``'s ratio) of a misspelt name and the one that was meant
SHORT = 5  # names up to this length are alike by chance: ``cs-en`` is no misspelt ``es-en``


def closest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that was probably meant, if one is near enough."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=LIKENESS)), None)


def require(kind: str, name: str, known: Collection[str], where: object = None) -> None:
    """Refuses (``StudyError``) a name that is no known ``kind`` of thing (``demand``, in the
    singular) of the file or key ``where``; says the near one to write, or all there are."""
    if name in known:
        return
    near = closest(name, known) if len(name) > SHORT else None
    fix = f"write {near!r} instead" if near else f"one of: {', '.join(known) or '(none)'}"
    raise StudyError(f"no {kind} is called {name!r}", where=where, fix=fix)


def look_up(kind: str, name: str, known: Mapping[str, Thing], where: object = None) -> Thing:
    """Returns what a name stands for (``StudyError`` if unknown); arguments: see ``require``."""
    require(kind, name, known, where)
    return known[name]


def look_up_kind(
    of: type[Kind], kind: str, name: str, known: Mapping[str, object], where: object = None
) -> Kind:
    """Returns what a name stands for among the things of one class (``StudyError`` if none)."""
    fitting = {key: thing for key, thing in known.items() if isinstance(thing, of)}
    return look_up(kind, name, fitting, where)
