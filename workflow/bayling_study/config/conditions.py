"""Conditions on single values of a config; each raises one ``StudyError`` that names the key."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping

from bayling_study.core import languages
from bayling_study.core.errors import StudyError

SHARE_TOLERANCE = 1e-6


def sums_to_one(shares: Mapping[str, float], key: str) -> None:
    """Checks that shares add up to 1. The message names every key with its share, for a file's
    table is laid over that of the file below; the fix holds all of them scaled."""
    total = math.fsum(shares.values())
    if abs(total - 1) > SHARE_TOLERANCE:
        table = {name: f"{value / (total or 1):.4g}" for name, value in shares.items()}
        scaled = ", ".join(f"{name}: {value}" for name, value in table.items())
        given = ", ".join(f"{name}: {value:g}" for name, value in shares.items())
        what = f"shares add up to {total:g}, not 1: {{{given}}}, together with the files below"
        raise StudyError(what, where=key, fix=f"{{{scaled}}}; `NAME: null` takes a key back")


def can_choose(weights: Mapping[str, float] | Mapping[int, float], key: str) -> None:
    """Checks that a draw by these weights is possible: none negative and some positive."""
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            what = f"the weight {weight:g} is not a number of at least 0"
            raise StudyError(what, where=f"{key}.{name}")
    if not any(weights.values()):
        raise StudyError("nothing has a weight above 0", where=key, fix="a weight such as 1.0")


def distinct(values: Iterable[Hashable], key: str) -> None:
    """Checks that nothing stands twice in a list."""
    for value, count in Counter(values).items():
        if count > 1:
            raise StudyError(f"{value!r} occurs twice", where=key, fix="remove one of them")


def language(code: str, key: str, cldr: bool = False) -> None:
    """Checks that a language's names and script are known, which prompts and cleaning need; with
    ``cldr``, that CLDR has data in it, such as the names of cities."""
    try:
        if not cldr:
            languages.name(code, "en")
            languages.name(code, "zh")
        languages.script(code)
        if cldr:
            languages.locale(code)
    except StudyError as error:
        raise StudyError(error.what, where=key, fix=error.fix) from error


def direction(name: str, key: str) -> None:
    """Checks that a direction leads from one known language to another."""
    source, target = name.split("-")
    for code in (source, target):
        language(code, f"{key}: {name}")
    if source == target:
        raise StudyError(f"{name} has the same language twice", where=key, fix="such as zh-en")


def directions(names: Iterable[str], available: set[str], key: str) -> None:
    """Checks directions that are made from the study's own parallel corpora."""
    for name in names:
        direction(name, key)
        for code in name.split("-"):
            if code not in available:
                what = f"{name} needs {code!r}, which no parallel corpus has"
                fix = f"remove {name}, or add {code} to a corpus of corpora.parallel"
                raise StudyError(what, where=key, fix=fix)
