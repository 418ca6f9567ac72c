"""Answers beside their references, with the differing words marked. Answers are other people's
text: long ones are cut, and control characters, which could hide or reorder what a reader sees, are
written out."""

import re
import unicodedata
from difflib import SequenceMatcher

from bayling_study.stages.report.blocks import MarkedText

LONGEST_SHOWN = 2000  # characters of a text that are shown
LONGEST_COMPARED = 400  # words of a text that are compared; the time grows with the square
FEWEST_COMPARED = 3  # a reference of fewer words, such as an exam's letter, is not compared
HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Unicode categories without a glyph: controls, bidirectional controls, line separators."""
JOINERS = "\u200c\u200d"  # format characters that words of Persian or Hindi need
CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
WORDS = re.compile(rf"[{CJK}]\s*|[^\s{CJK}]+\s*|\s+")
"""A Chinese, Japanese or Korean character or another language's word, with the space after it."""


def shown(text: str) -> str:
    """Returns a text fit for showing: not too long, nothing invisible in it."""
    head = text[:LONGEST_SHOWN]
    if not head.replace("\n", " ").isprintable():  # which few texts are not; no loop for the others
        head = "".join(map(_visible, head))
    if len(text) <= LONGEST_SHOWN:
        return head
    return f"{head} … ({len(text):,} characters; the first {LONGEST_SHOWN:,} are shown)"


def _visible(character: str) -> str:
    if character in "\n\t" or character in JOINERS:
        return character
    hidden = unicodedata.category(character) in HIDDEN
    return f"⟨U+{ord(character):04X}⟩" if hidden else character


def marked(answer: str, reference: str) -> list[MarkedText]:
    """Returns an answer in spans, those new that the reference does not have."""
    given, expected = WORDS.findall(answer), WORDS.findall(reference)
    longest = max(len(given), len(expected))
    if not given:
        return [MarkedText("(empty)")]
    if len(expected) < FEWEST_COMPARED or longest > LONGEST_COMPARED:
        return [MarkedText(answer)]
    words = [[word.strip() for word in side] for side in (expected, given)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    return [
        MarkedText("".join(given[start:end]), tag != "equal")
        for tag, _, _, start, end in matcher.get_opcodes()
        if end > start
    ]
