"""Directions by pattern: ``en-*`` is from English into every other language of the corpora."""

from collections.abc import Iterable

ANY = "*"


def matching(pattern: str, languages: Iterable[str]) -> list[str]:
    """Returns the directions that ``zh-en`` or a pattern with ``*`` for a side or both stands for.

    ``*`` is each of the languages, in their order.
    """
    codes = list(languages)
    source, target = pattern.split("-")
    sources = codes if source == ANY else [source]
    targets = codes if target == ANY else [target]
    return [f"{one}-{other}" for one in sources for other in targets if one != other]
