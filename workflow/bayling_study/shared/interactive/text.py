"""Looking at text as a demand sees it: words, sentences, fragments, scripts.

Everything works for scripts with spaces between words and for those without
(there a character counts as a word). Letter case, Unicode compatibility forms
and repeated spaces never matter. Standard library only.
"""

from __future__ import annotations

import re
import unicodedata

SENTENCE_END = re.compile(r"(?<=[.!?…])(?<!\d\.)\s+(?=[\"'“„(A-ZÀ-ÞА-ЯΑ-Ω])|(?<=[。！？])\s*(?=.)")
"""White space behind a full stop and before a capital, or any place behind a Chinese stop."""

ABBREVIATIONS = re.compile(
    r"\b(e\.g|i\.e|z\.\s?B|d\.\s?h|u\.\s?a|bzw|ca|vs|etc|usw|Nr|No|Dr)\.$", re.I
)
"""Ends of text at which a full stop does not close a sentence."""


def normalise(text: str) -> str:
    """Returns text for comparison: NFKC, case folded, runs of white space as one space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _marks() -> str:
    """Returns combining marks as a character class; they belong to the letter before them."""
    codes = [code for code in range(0x10000) if unicodedata.category(chr(code)).startswith("M")]
    return "".join(map(chr, codes))


UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Blocks of scripts without spaces: Thai, Lao, Tibetan, Myanmar, Khmer, kana, ideographs."""

TOKEN = re.compile(f"[{UNSPACED}]|(?:[^\\W_{UNSPACED}][{_marks()}]*)+|\\S")
IS_UNSPACED = re.compile(f"[{UNSPACED}]")


def is_unspaced_character(character: str) -> bool:
    """Tells whether a character belongs to a script without spaces between words."""
    return IS_UNSPACED.match(character) is not None


def spans(text: str) -> list[tuple[int, int]]:
    """Returns start and end of each token: words as in ``words``, and single marks."""
    return [match.span() for match in TOKEN.finditer(text)]


def words(text: str) -> list[str]:
    """Returns the words in order, punctuation left out.

    A run of letters and digits is a word; each character of an unspaced script
    is one by itself.
    """
    return [token for token in TOKEN.findall(text) if token[0].isalnum()]


def length(text: str, unit: str) -> int:
    """Returns the number of ``words`` (split at white space) or of ``characters`` (no spaces)."""
    parts = text.split()
    return len(parts) if unit == "words" else sum(len(part) for part in parts)


def sentences(text: str) -> list[str]:
    """Returns the sentences of a text, stripped; one that has no stop is one sentence."""
    result: list[str] = []
    for piece in SENTENCE_END.split(text.strip()):
        if result and ABBREVIATIONS.search(result[-1]):
            result[-1] = f"{result[-1]} {piece}"
        elif piece.strip():
            result.append(piece.strip())
    return result


def occurrences(text: str, fragment: str) -> int:
    """Counts a fragment in a text at word boundaries; letter case does not matter.

    ``Gerät`` is not found in ``Geräte``; unspaced scripts have no boundaries.
    """
    text, fragment = normalise(text), normalise(fragment)
    if not fragment:
        return 0
    count = 0
    start = text.find(fragment)
    while start >= 0:
        end = start + len(fragment)
        count += _is_boundary(text, start) and _is_boundary(text, end)
        start = text.find(fragment, start + 1)
    return count


def _is_boundary(text: str, place: int) -> bool:
    """Tells whether a word may begin or end at a place between two characters."""
    if place in (0, len(text)):
        return True
    sides = text[place - 1], text[place]
    return not all(side.isalnum() and not is_unspaced_character(side) for side in sides)


def replace(text: str, old: str, new: str) -> str:
    """Returns the text with each occurrence of a fragment replaced, found as written."""
    return new.join(re.split(re.escape(old), text)) if old else text


QUOTES = frozenset("\"'“”„‚‘’«»‹›「」『』`")


def is_quotable(fragment: str) -> bool:
    """Tells whether a fragment reads well in quotation marks: it begins and ends with a word."""
    inside = bool(fragment) and fragment[0].isalnum() and fragment[-1].isalnum()
    return inside and not QUOTES.intersection(fragment)
