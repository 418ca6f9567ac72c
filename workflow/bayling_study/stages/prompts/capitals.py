"""Which city is the capital: the same questions in every language that CLDR has names in.

A test of knowledge transfer: facts that a model knows in English, asked in another language. Names
of countries and of cities are CLDR's, through the installed package Babel; which city is the
capital is in ``capitals.tsv``, of countries whose capital gives its name to a time zone. A question
is a cloze behind three solved lines, so it needs no translated wording. Wrong answers and examples
depend on the country alone: all languages ask the same.
"""

import re
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from babel import Locale
from babel.dates import get_timezone_location

from bayling_study.core import languages
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import generator
from bayling_study.core.tables import read_table
from bayling_study.stages.prompts.multiple_choice import ExamQuestion

CHOICES = 4
EXAMPLES = 3
LEAKING_SHARE = 0.5
"""A city that shares so much of its name with its country is no question (Algier, Algerien)."""
FEWEST = 20
"""A language with fewer questions than this is refused."""
LATIN = re.compile("[a-zA-Z]")
TABLE = Path(__file__).with_suffix(".tsv")
CAPITALS = {row["country"]: row["zone"] for _, row in read_table(TABLE, ("country", "zone"))}
"""Country (ISO 3166) to the time zone that is named after its capital (IANA)."""


def questions(language: str, seed: int) -> list[ExamQuestion]:
    """Returns a language's questions by country code (``StudyError`` if CLDR has too few names)."""
    names = _names(language)
    asked = [code for code in names if not _leaks(*names[code], languages.is_unspaced(language))]
    if len(asked) < FEWEST:
        what = f"CLDR gives {len(asked)} questions about capitals in {language!r}, not {FEWEST}"
        raise StudyError(what, where="suites.SUITE.languages", fix="another language")
    return [_question(code, names, seed) for code in asked]


@cache
def _names(language: str) -> dict[str, tuple[str, str]]:
    """Returns country code to the names of country and capital, where CLDR has both.

    A city in Latin letters in a language with another script is CLDR's way to have no name for it.
    """
    languages.script(language)  # an unknown code is told here
    locale = languages.locale(language)
    latin = languages.script(language) == "Latn"
    found: dict[str, tuple[str, str]] = {}
    for code, zone in CAPITALS.items():
        country = locale.territories.get(code)
        city = _city(zone, locale)
        if country and city and (latin or not LATIN.search(city)):
            found[code] = (str(country), str(city))
    return found


def _city(zone: str, locale: Locale) -> str:
    try:
        return str(get_timezone_location(zone, locale=locale, return_city=True))
    except KeyError:  # the locale names no territories at all
        return ""


def _leaks(country: str, city: str, unspaced: bool) -> bool:
    """Tells whether the country's name gives the city away."""
    names = SequenceMatcher(None, country.casefold(), city.casefold(), autojunk=False)
    shared = names.find_longest_match().size
    return shared >= (2 if unspaced else 3) and shared >= LEAKING_SHARE * len(city)


def _question(code: str, names: dict[str, tuple[str, str]], seed: int) -> ExamQuestion:
    """Returns a country's question; choices that a language has no name for are replaced."""
    rng = generator(seed, "suites", "capitals", code)
    order = [other for other in rng.sample(sorted(CAPITALS), len(CAPITALS)) if other != code]
    others = [other for other in order if other in names]
    choices = [code, *others[: CHOICES - 1]]
    rng.shuffle(choices)
    examples = others[CHOICES - 1 : CHOICES - 1 + EXAMPLES]
    lines = [f"{names[other][0]}: {names[other][1]}" for other in examples]
    text = "\n".join([*lines, f"{names[code][0]}:"])
    return ExamQuestion(text, [names[choice][1] for choice in choices], choices.index(code))
