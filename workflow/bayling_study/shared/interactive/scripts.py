"""Which script a text is written in.

Unicode character names begin with the name of their script (``CYRILLIC SMALL
LETTER A``), and CLDR names most scripts alike; only the differences are listed.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from babel import Locale

HAN = ("CJK",)
SPECIAL_NAMES: dict[str, tuple[str, ...]] = {
    "Hans": HAN,
    "Hant": HAN,
    "Hani": HAN,
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
    "Kore": ("HANGUL", "CJK"),
    "Beng": ("BENGALI",),
    "Orya": ("ORIYA",),
    "Aran": ("ARABIC",),
    "Cans": ("CANADIAN",),
}
"""Script code to starts of character names where CLDR's English name differs."""


@cache
def character_names(script: str) -> tuple[str, ...]:
    """Returns the starts of Unicode names of the characters of an ISO 15924 script."""
    if script in SPECIAL_NAMES:
        return SPECIAL_NAMES[script]
    return (str(Locale("en").scripts.get(script, script)).upper(),)


def script_share(text: str, script: str) -> float:
    """Returns the share of a text's letters that belong to a script (0 without letters).

    A letter of an unspaced script counts like a short word of a spaced one, so
    that a Chinese sentence with one long Latin name is still Chinese.
    """
    names = character_names(script)
    own = other = 0.0
    for character in text:
        if not character.isalpha():
            continue
        name = unicodedata.name(character, "")
        weight = WIDE_WEIGHT if name.startswith(WIDE_NAMES) else 1.0
        if name.startswith(names):
            own += weight
        else:
            other += weight
    return own / (own + other) if own else 0.0


WIDE_NAMES = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")
WIDE_WEIGHT = 3.0
"""Latin letters that a wide character is worth: about what one takes to translate it."""
