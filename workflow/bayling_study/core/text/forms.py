"""The forms in which texts are stored, compared and found in each other."""

import re
import unicodedata
from functools import lru_cache

from bayling_study.core.text.words import is_boundary, words

ZEROS = {n: "0" for n in range(0x20000) if chr(n).isdigit()}
MAYBE_DIGIT = re.compile(f"[{''.join(chr(n) for n in ZEROS if n < 0x10000)}\U00010000-\U0001ffff]")
ASCII_FORM = "".join(c.lower() if c.isalnum() else " " for c in map(chr, range(128)))
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can spell out (``\\ud83d``) and UTF-8 cannot hold."""


def storable(text: str) -> str:
    """Returns a text that UTF-8 can hold: half a character becomes U+FFFD."""
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def tidy(text: str) -> str:
    """Returns the text storable, in NFC, with single spaces; line breaks stay, trimmed."""
    whole = unicodedata.normalize("NFC", storable(text))
    return "\n".join(" ".join(line.split()) for line in whole.split("\n")).strip()


@lru_cache(maxsize=1 << 12)
def normalise(text: str) -> str:
    """Returns text for comparison: NFKC, case folded, runs of white space as one space. The last
    ones are kept: looking for terms compares the same few texts some 80 times each."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@lru_cache(maxsize=1 << 14)
def compared(text: str) -> str:
    """Returns the form in which two texts count as the same, whatever their compatibility forms,
    case, punctuation, spacing and digits: "Step 1: wait" and "step 2 – wait!" are one."""
    if text.isascii():
        return " ".join(text.translate(ASCII_FORM).translate(ZEROS).split())
    form = normalise(text)
    return " ".join(words(form.translate(ZEROS) if MAYBE_DIGIT.search(form) else form))


def occurrences(text: str, fragment: str) -> int:
    """Counts a fragment in a text at word boundaries, in any case: not ``Gerät`` in ``Geräte``, nor
    दिल in दिली, which goes on with a mark; in unspaced scripts each character has a boundary."""
    text, fragment = normalise(text), normalise(fragment)
    if not fragment:
        return 0
    count = 0
    start = text.find(fragment)
    while start >= 0:
        count += is_boundary(text, start) and is_boundary(text, start + len(fragment))
        start = text.find(fragment, start + 1)
    return count
