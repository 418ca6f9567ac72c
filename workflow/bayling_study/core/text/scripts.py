"""The one table of scripts: whose a letter is, and which are written without spaces. A Unicode
character name begins with that of its script (``CYRILLIC SMALL LETTER A``), and CLDR names most
scripts alike; ``NAMES`` lists the others. Full-width forms have their letter's script."""

import re
import unicodedata
from functools import cache, lru_cache

from babel import Locale

NAMES: dict[str, tuple[str, ...]] = {
    "Hans": ("CJK", "BOPOMOFO"),
    "Hant": ("CJK", "BOPOMOFO"),
    "Hani": ("CJK",),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
    "Kore": ("HANGUL", "CJK"),
    "Beng": ("BENGALI",),
    "Orya": ("ORIYA",),
    "Aran": ("ARABIC",),
    "Cans": ("CANADIAN",),
    "Nkoo": ("NKO",),
}
"""ISO 15924 code to the first words of its letters' names, where CLDR's English name differs.
The main script of a mixture comes first."""

UNSPACED = {
    "CJK": "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "HIRAGANA": "\u3040-\u309f",
    "KATAKANA": "\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9d",
    "THAI": "\u0e00-\u0e4f\u0e5a-\u0e7f",
    "LAO": "\u0e80-\u0ecf\u0eda-\u0eff",
    "TIBETAN": "\u0f00-\u0f1f\u0f2a-\u0fff",
    "MYANMAR": "\u1000-\u103f\u104a-\u108f\u109a-\u109f\ua9e0-\ua9ef\ua9fa-\ua9ff\uaa60-\uaa7f",
    "KHMER": "\u1780-\u17df\u17ea-\u17ff",
}
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
