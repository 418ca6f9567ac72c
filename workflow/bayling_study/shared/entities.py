"""Places that English text names, countries, regions and capitals, and their names elsewhere. Names
are CLDR's, through the installed package Babel. A name counts where it stands as CLDR writes it and
as whole words: not in ``Jordanian``, in a hyphenated word or a web address, nor as a part of a
longer name (``United States Constitution``, ``West Germany``); the possessive ``France's`` does."""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from bayling_study.core import languages
from bayling_study.shared.capitals import LATIN
from bayling_study.shared.capitals import names as capitals

ENGLISH = "en"
AMBIGUOUS = {"Caribbean", "Chad", "Georgia", "Jersey", "Jordan", "Lima", "Santiago", "Sofia"}
"""Names that are as often a person, a state, an adjective or a thing; nothing here can tell."""
LONGER = {"New", "North", "South", "East", "West", "Central", "Greater", "San", "Mr", "Mrs", "Dr"}
"""First words of a sentence that make a longer name of the name behind them."""
BEFORE, AFTER = re.compile(r"(\w+) $"), re.compile(r" (?!I\b)(\w)")


@cache
def names(language: str) -> dict[str, str]:
    """Returns English names and a language's, one for one, as in English where letter case alone
    differs (``StudyError`` if CLDR does not know the language)."""
    latin = languages.script(language) == "Latn"
    regions, cities = languages.locale(language).territories, capitals(language)
    english = languages.locale(ENGLISH).territories.items()
    pairs = {(str(name), str(regions[code])) for code, name in english if code in regions}
    pairs |= {(n, cities[code][1]) for code, (_, n) in capitals(ENGLISH).items() if code in cities}
    kept = [p for p in pairs if p[0][0].isupper() and (latin or not LATIN.search(p[1]))]
    one, other = (Counter(side) for side in zip(*kept, strict=True))
    unique = [p for p in sorted(kept) if p[0] not in AMBIGUOUS and one[p[0]] == other[p[1]] == 1]
    return {a: a if a.casefold() == b.casefold() else b for a, b in unique}


@cache
def _pattern() -> re.Pattern[str]:
    name = "|".join(map(re.escape, sorted(names(ENGLISH), key=len, reverse=True)))
    return re.compile(rf"(?<![\w./@-])(?:{name})(?![\w/@-]|\.\w)")


def _is_whole(match: re.Match[str]) -> bool:
    """Tells whether no capital word beside a name, its sentence's first apart, belongs to it."""
    text = match.string
    before, after = BEFORE.search(text, 0, match.start()), AFTER.match(text, match.end())
    if after and after[1].isupper():
        return False
    begins = before and text[: before.start()].rstrip(" \"'“‘(")[-1:] in ("", *".!?:\n")
    return not before or not before[1][0].isupper() or bool(begins and before[1] not in LONGER)


def fitting(texts: Iterable[str], candidates: Iterable[str]) -> list[str]:
    """Returns the languages that have all names of some texts (EntityCS), one of them their own."""
    found = {m[0] for text in texts for m in _pattern().finditer(text) if _is_whole(m)}
    whole = [code for code in candidates if found <= names(code).keys()]
    return [code for code in whole if any(names(code)[n] != n for n in found)]


def switched(text: str, language: str, tags: bool) -> tuple[str, int, int]:
    """Returns a text with its names in a language that has them all (``fitting``), not inflected,
    between ``<de>`` and ``</de>`` if they are to have tags; and how many names it has, and how many
    differ: one that is equal in both languages stays as it is."""
    form = f"<{language}>{{}}</{language}>" if tags else "{}"
    counts: Counter[bool] = Counter()

    def other(match: re.Match[str]) -> str:
        if not _is_whole(match):
            return match[0]
        new = names(language)[match[0]]
        counts[new != match[0]] += 1
        return form.format(new) if new != match[0] else new

    return _pattern().sub(other, text), counts.total(), counts[True]
