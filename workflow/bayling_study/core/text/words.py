"""What a word is, in scripts with spaces between words and in those without.

A word is a run of letters and digits. In a script without spaces (``scripts``)
there is no telling where a word ends, so each character counts as one. For both:

* A combining mark belongs to the character before it, as readers see it: हिन्दी is one
  word, and Thai ดี one character. So do the joiners U+200C and U+200D, which are spelling
  in Persian and in Indic scripts. This is the first half of a grapheme cluster
  (Unicode Standard Annex 29, rules GB9 and GB9a); stacked consonants stay apart.
* Digits of every script make numbers: ๒๕๖๗ is one word, as 2567 is.
* Punctuation is in no word, the apostrophe included: it ends one as often as it joins
  two (*l'eau*, *dogs' home*), and a quotation mark looks the same.
"""

import re
import unicodedata
from functools import lru_cache

from bayling_study.core.text import scripts

MARKS = frozenset("\u200c\u200d\uff9e\uff9f").union(
    mark
    for mark in map(chr, (*range(0x300, 0x10000), *range(0xE0100, 0xE01F0)))
    if unicodedata.category(mark)[0] == "M"
)
"""All that belongs to the character before it. U+FF9E and U+FF9F are the voicing marks of
half-width kana. Above the first plane only the variation selectors of ideographs count: the other
marks there are rare scripts', and looking for them would take most of the time of ``TOKEN``."""

_ALONE = "".join(scripts.UNSPACED.values())
_MARK = "".join(mark for mark in sorted(MARKS) if mark < "\U00010000") + "\U000e0100-\U000e01ef"
TOKEN = re.compile(rf"[{_ALONE}][{_MARK}]*|(?:[^\W_{_ALONE}]+[{_MARK}]*)+|\S")
UNUSUAL = re.compile(f"[{_ALONE}{_MARK}]")
WORD = re.compile(r"[^\W_]+")  # where there are neither marks nor characters that are words
ASCII_TOKEN = re.compile(r"[a-zA-Z0-9]+|\S")
_UNASSIGNED = "".join(c for c in map(chr, range(0x1100)) if unicodedata.category(c) == "Cn")
MAYBE_WIDE = re.compile(f"[\u1100-\U0010ffff{_UNASSIGNED}]")

SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\d\.)\s+(?=[\"'“„(A-ZÀ-ÞА-ЯΑ-Ω])|(?<=[。！？])\s*(?=.)")
"""White space behind a full stop and before a capital, or any place behind a Chinese stop."""

ABBREVIATIONS = re.compile(
    r"\b(e\.g|i\.e|z\.\s?B|d\.\s?h|u\.\s?a|bzw|ca|vs|etc|usw|Nr|No|Dr)\.$", re.I
)
"""Ends of text at which a full stop does not close a sentence."""

QUOTES = frozenset("\"'“”„‚‘’«»‹›「」『』`")


@lru_cache(maxsize=1 << 12)  # five demands ask for those of the same segments
def spans(text: str) -> tuple[tuple[int, int], ...]:
    """Returns start and end of each token: words as in ``words``, and single signs."""
    token = ASCII_TOKEN if text.isascii() else TOKEN
    return tuple(match.span() for match in token.finditer(text))


def words(text: str) -> list[str]:
    """Returns the words in order, punctuation left out."""
    if text.isascii() or not UNUSUAL.search(text):
        return WORD.findall(text)
    return [token for token in TOKEN.findall(text) if token[0].isalnum()]


def length(text: str, unit: str) -> int:
    """Returns the number of ``words``, counted at white space, or of ``characters``, as readers
    count: punctuation with its word or as characters, blanks and marks not at all."""
    parts = text.split()
    if unit == "words":
        return len(parts)
    return sum(map(len, parts)) - sum(map(MARKS.__contains__, text))


def columns(text: str) -> int:
    """Returns the width of a text in display columns (East Asian wide characters count two)."""
    widths = map(unicodedata.east_asian_width, MAYBE_WIDE.findall(text))
    return len(text) + sum(width in "WF" for width in widths)


def script_share(text: str, script: str) -> float:
    """Returns the share of words that are written in an ISO 15924 script (0 to 1). A word's first
    letter decides; numbers count for no script. Words are counted rather than letters, so that a
    product name in Chinese weighs as much as a syllable. No letters: 0."""
    own = scripts.script_names(script)
    firsts = [next(filter(None, map(scripts.script_name, word)), "") for word in words(text)]
    names = [name for name in firsts if name]
    return sum(name in own for name in names) / len(names) if names else 0.0


def sentences(text: str) -> list[str]:
    """Returns the sentences of a text, stripped; one that has no stop is one sentence."""
    result: list[str] = []
    for piece in SENTENCE_END.split(text.strip()):
        if result and ABBREVIATIONS.search(result[-1]):
            result[-1] = f"{result[-1]} {piece}"
        elif piece.strip():
            result.append(piece.strip())
    return result


def bearer(text: str, end: int) -> str:
    """Returns the last character before a place that is no combining mark, or nothing."""
    while end and text[end - 1] in MARKS:
        end -= 1
    return text[end - 1 : end]


def is_boundary(text: str, place: int) -> bool:
    """Tells whether a word may begin or end between two characters: not before a combining mark,
    not inside a run of letters and digits; in a script without spaces always."""
    if place in (0, len(text)):
        return True
    after = text[place]
    if after in MARKS or not after.isalnum():
        return after not in MARKS
    before = bearer(text, place)
    return not before.isalnum() or any(map(scripts.is_unspaced_character, (before, after)))


def is_quotable(fragment: str) -> bool:
    """Tells whether a fragment reads well in quotation marks: it begins and ends with a word."""
    inside = fragment[:1].isalnum() and bearer(fragment, len(fragment)).isalnum()
    return inside and not QUOTES.intersection(fragment)
