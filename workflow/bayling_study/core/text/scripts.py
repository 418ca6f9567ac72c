"""The one table of scripts: whose a letter is, and which are written without spaces. A Unicode
character name begins with that of its script (``CYRILLIC SMALL LETTER A``), and CLDR names most
scripts alike; ``NAMES`` lists the others. Full-width forms have their letter's script."""

import re
import unicodedata
from functools import cache, lru_cache

from babel import Locale

from bayling_study.core.tables import beside

TABLES = beside(__file__)
NAMES: dict[str, tuple[str, ...]] = {code: tuple(own) for code, own in TABLES["names"].items()}
"""ISO 15924 code to the first words of its letters' names, where CLDR's English name differs.
The main script of a mixture comes first."""

UNSPACED: dict[str, str] = TABLES["unspaced"]
"""Scripts without spaces between words (Unicode Standard Annex 29, section 4), each with its
blocks less the decimal digits: a number is one word in every script."""

ONE_UNSPACED = re.compile(f"[{''.join(UNSPACED.values())}]")
"""One character of a script without spaces; compiled patterns remember what they found last."""

WIDTHS = ("FULLWIDTH", "HALFWIDTH")
OTHER_NAMES = {"IDEOGRAPHIC": "CJK", "MODIFIER": ""}
"""First words that name no script: 々 and 〆 are ideographs, ʻ and ʼ stand in many scripts."""


@lru_cache(maxsize=1 << 16)
def script_name(character: str) -> str:
    """Returns the first word of a letter's Unicode name (``LATIN``), nothing for other signs and
    for letters of no script."""
    if not character.isalpha():
        return ""
    first, second, *_ = re.split("[ -]", f"{unicodedata.name(character, '')}  ", maxsplit=2)
    name = second if first in WIDTHS else first
    return OTHER_NAMES.get(name, name)


@cache
def script_names(script: str) -> tuple[str, ...]:
    """Returns what ``script_name`` gives for the letters of an ISO 15924 script (``Jpan``)."""
    if script in NAMES:
        return NAMES[script]
    name = str(Locale("en").scripts.get(script, script))
    return (name.split()[0].upper(),)


def is_unspaced(script: str) -> bool:
    """Tells whether an ISO 15924 script is written without spaces between words."""
    return script_names(script)[0] in UNSPACED


def is_unspaced_character(character: str) -> bool:
    """Tells whether a character belongs to a script without spaces between words."""
    return ONE_UNSPACED.match(character) is not None
