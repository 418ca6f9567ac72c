"""Keeps the test side of the corpora out of training.

A training text is contaminated when it equals a test text (case, spacing and
final stop apart) or shares an n-gram with one: 13 words of a test text that has
so many, 8 words of a shorter one (the lengths of GPT-3's and of PaLM's overlap
analysis). In scripts without spaces an n-gram is counted in characters, at 1.6
for one English word, the ratio of this project's Chinese text to its English.
A test text that is shorter still can only be contaminated as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bayling_study.interactive.text import is_unspaced_character, normalise, words

LONG, SHORT = 13, 8
CHARACTERS_PER_WORD = 1.6


class Contamination:
    """What the test side holds.

    Args:
        rows: rows of ``parallel.parquet`` of the test side.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self._texts: set[str] = set()
        self._grams: dict[int, set[str]] = {}
        for row in rows:
            for text in (row["text_a"], row["text_b"]):
                self._add(text)

    def _add(self, text: str) -> None:
        self._texts.add(_whole(text))
        units = words(normalise(text))
        for order in _orders(units):
            if len(units) >= order:
                self._grams.setdefault(order, set()).update(_grams(units, order))
                return

    def reason(self, text: str) -> str:
        """Returns why a training text must go, or an empty text."""
        if _whole(text) in self._texts:
            return "equals a test text"
        units = words(normalise(text))
        for order, known in sorted(self._grams.items(), reverse=True):
            if any(gram in known for gram in _grams(units, order)):
                return f"shares a {order}-gram with a test text"
        return ""


def _whole(text: str) -> str:
    return normalise(text).rstrip(".。!！")


def _orders(units: list[str]) -> tuple[int, int]:
    """Returns the long and the short n-gram length for a text's script."""
    wide = sum(is_unspaced_character(unit[0]) for unit in units)
    if 2 * wide <= len(units):
        return LONG, SHORT
    return round(LONG * CHARACTERS_PER_WORD), round(SHORT * CHARACTERS_PER_WORD)


def _grams(units: list[str], order: int) -> Iterable[str]:
    return (" ".join(units[i : i + order]) for i in range(len(units) - order + 1))
