"""Measures of text: words, columns, scripts, and the form in which texts are compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from bayling_study.core import languages

SCRIPT_NAMES = {
    "Hans": ("CJK", "BOPOMOFO"),
    "Hant": ("CJK", "BOPOMOFO"),
    "Jpan": ("CJK", "HIRAGANA", "KATAKANA"),
    "Kore": ("HANGUL", "CJK"),
    "Cyrl": ("CYRILLIC",),
    "Deva": ("DEVANAGARI",),
    "Beng": ("BENGALI",),
    "Taml": ("TAMIL",),
    "Telu": ("TELUGU",),
    "Mlym": ("MALAYALAM",),
    "Knda": ("KANNADA",),
    "Gujr": ("GUJARATI",),
    "Guru": ("GURMUKHI",),
    "Orya": ("ORIYA",),
    "Sinh": ("SINHALA",),
    "Laoo": ("LAO",),
    "Khmr": ("KHMER",),
    "Mymr": ("MYANMAR",),
    "Tibt": ("TIBETAN",),
    "Thai": ("THAI",),
    "Arab": ("ARABIC",),
    "Hebr": ("HEBREW",),
    "Grek": ("GREEK",),
    "Geor": ("GEORGIAN",),
    "Armn": ("ARMENIAN",),
    "Ethi": ("ETHIOPIC",),
    "Latn": ("LATIN",),
}
"""ISO 15924 code to the first words of its letters' Unicode names."""

UNSPACED_NAMES = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")
MARKS = "".join(c for c in map(chr, range(0x300, 0x10000)) if unicodedata.category(c)[0] == "M")
"""Combining marks of the basic plane: parts of words that ``\\w`` does not match."""

WORD = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS}])*")
LETTER = re.compile(r"[a-zA-Z]")
ASCII_WORD = re.compile(r"[a-zA-Z0-9]+")
ZEROS = {n: "0" for n in range(0x110000) if chr(n).isdigit()}
SPACE = re.compile(r"\s+")
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can spell out (``\\ud83d``) and UTF-8 cannot hold."""


@lru_cache(maxsize=1 << 16)
def letter_name(character: str) -> str:
    """Returns the first word of a letter's Unicode name (``LATIN``, ``CJK``), or nothing."""
    if not character.isalpha():
        return ""
    name = unicodedata.name(character, "")
    return re.split(r"[ -]", name, maxsplit=1)[0]


def storable(text: str) -> str:
    """Returns a text that UTF-8 can hold: half a character becomes U+FFFD."""
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def tidy(text: str) -> str:
    """Returns the text storable, in NFC, with single spaces; line breaks stay, trimmed."""
    whole = unicodedata.normalize("NFC", storable(text))
    lines = (SPACE.sub(" ", line).strip() for line in whole.split("\n"))
    return "\n".join(lines).strip()


def words(text: str) -> list[str]:
    """Returns the words of a text; each character of an unspaced script is a word.

    A word is a maximal run of letters and digits, so punctuation is left out.
    """
    if text.isascii():
        return ASCII_WORD.findall(text)
    result: list[str] = []
    for run in WORD.findall(text):
        if run.isascii():
            result.append(run)
        else:
            result += _cut(run)
    return result


def _cut(run: str) -> list[str]:
    """Cuts a run of letters around the characters of unspaced scripts."""
    parts: list[str] = []
    joined = False
    for character in run:
        alone = letter_name(character) in UNSPACED_NAMES
        if joined and not alone:
            parts[-1] += character
        else:
            parts.append(character)
        joined = not alone
    return parts


def count_words(text: str, unspaced: bool) -> int:
    """Returns the number of words, counted at white space, or characters where unspaced."""
    return len(words(text)) if unspaced else len(text.split())


def columns(text: str) -> int:
    """Returns the width of a text in display columns (East Asian wide characters count two)."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@lru_cache(maxsize=1 << 10)
def script_names(language: str) -> tuple[str, ...]:
    """Returns the Unicode name prefixes of a language's own script."""
    code = languages.script(language)
    return SCRIPT_NAMES.get(code, (code.upper(),))


def script_share(text: str, language: str) -> float:
    """Returns the share of words that are written in the language's script (0 to 1).

    A word's first letter decides; digits count for no script and are left out.
    A text without letters has the share 0.
    """
    own = script_names(language)
    if text.isascii():  # what most pivots are
        return float("LATIN" in own and LETTER.search(text) is not None)
    names = [name for name in map(_word_script, words(text)) if name]
    return sum(name in own for name in names) / len(names) if names else 0.0


def _word_script(word: str) -> str:
    return next((name for name in map(letter_name, word) if name), "")


@lru_cache(maxsize=1 << 14)
def compared(text: str) -> str:
    """Returns the form in which two texts count as the same.

    Compatibility forms, case, punctuation and spacing are levelled, and every
    digit becomes ``0``: "Step 1: wait" and "step 2 – wait!" are one.
    """
    level = unicodedata.normalize("NFKC", text).casefold().translate(ZEROS)
    return " ".join(words(level))
