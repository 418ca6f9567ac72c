"""Countries and their capitals, named in every language that CLDR has names in. Names are CLDR's,
through the installed package Babel; which city is the capital is in ``capitals.tsv``, of countries
whose capital gives its name to a time zone."""

import hashlib
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from babel.dates import get_timezone_location

from bayling_study.core import languages
from bayling_study.core.tables import read_table

LATIN = re.compile("[a-zA-Z]")
TABLE = Path(__file__).with_suffix(".tsv")
CAPITALS = {row["country"]: row["zone"] for _, row in read_table(TABLE, ("country", "zone"))}
"""Country (ISO 3166) to the time zone that is named after its capital (IANA)."""


def is_held_out(country: str) -> bool:
    """Tells whether a country is never trained on (recipe ``facts``): about half, by the hash of
    its code, whatever the seed, so that a suite of another study holds out the same."""
    return hashlib.sha256(country.encode()).digest()[0] % 2 == 0


@cache
def names(language: str) -> dict[str, tuple[str, str]]:
    """Returns country code to the names of country and capital, where CLDR has both (``StudyError``
    if it does not know the language). A city in Latin letters in a language with another script is
    CLDR's way to have no name for it."""
    latin = languages.script(language) == "Latn"  # an unknown code is told here
    locale = languages.locale(language)
    found: dict[str, tuple[str, str]] = {}
    for code, zone in CAPITALS.items():
        country = locale.territories.get(code)
        with suppress(KeyError):  # the locale names no territories at all
            city = str(get_timezone_location(zone, locale=locale, return_city=True))
            if country and city and (latin or not LATIN.search(city)):
                found[code] = (str(country), city)
    return found
