"""Which parallel segments are not worth learning from or testing on, and why. ``Cleaner.reasons``
returns the first reason against each segment of a block, those about one side alone first. The
filters with a name (``Filter`` in the config) can be switched off; those with a limit are tuned by
it."""

import re
from collections.abc import Callable

import numpy as np

from bayling_study.config.corpora import Cleaning
from bayling_study.core import languages
from bayling_study.core.text.words import words
from bayling_study.stages.corpora.blocks import Mask, Texts
from bayling_study.stages.corpora.misread import is_misread

PLACEHOLDER = re.compile(
    r"[{}]"  # {name}, {{ template }}, ICU plurals
    r"|%(?:\(\w+\)|\d+\$)?\d*(?:\.\d+)?[sdifgxr](?!\w)"  # %s, %(name)s, %1$d, %.2f
    r"|\[%|%\]|\[\[|\]\]"  # [%key:…%], [[link]]
    r"|\$\w*\("  # $t(key); $1 stays, it is mostly money
    r"|[a-zA-Z0-9]_[a-zA-Z0-9]",  # topic_prefix, MAX_AGE: names of code, not of language
)
MARKUP = re.compile(
    r"</?[a-zA-Z][^<>]*>"  # HTML
    r"|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]{2,8});"  # character references
    r"|\]\("  # Markdown link
    r"|\*\*|__|`|~~"  # Markdown emphasis and code
    r"|^\s*(?:#{1,6}|[-*+•]|\d+\.)\s",  # Markdown heading or list item
    re.MULTILINE,
)
URL = re.compile(
    r"\b[a-z][a-z0-9+.-]*://"
    r"|\bwww\."
    r"|[\w.+-]+@[\w-]+\.\w"  # e-mail address
    r"|\b[\w-]+\.(?:com|org|net|io|local|dev|de|cn)\b"
    r"|(?:^|[\s(\"'])/?\w+(?:/[\w.-]+){2,}",  # file path
    re.IGNORECASE,
)


class Verdicts:
    """The first reason against each segment of a block; ``left`` are those without one."""

    def __init__(self, count: int) -> None:
        self.reasons = [""] * count
        self.left = np.ones(count, np.bool_)

    def reject(self, bad: Mask, reason: str | Callable[[int], str]) -> None:
        """Rejects those that are left, for a reason or the one that is returned for its number."""
        for row in np.flatnonzero(bad & self.left).tolist():
            self.reasons[row] = reason if isinstance(reason, str) else reason(row)
            self.left[row] = not self.reasons[row]


class Cleaner:
    """Judges parallel segments by one ``Cleaning`` section."""

    def __init__(self, rules: Cleaning) -> None:
        self.rules = rules
        self._filters = frozenset(rules.filters)
        named = (("placeholder", PLACEHOLDER), ("url", URL), ("markup", MARKUP))
        self._patterns = [(name, pattern) for name, pattern in named if name in self._filters]

    def reasons(self, pivot: Texts, other: Texts) -> list[str]:
        """Returns the first reason to reject each segment of a block, or an empty string."""
        found, rules = Verdicts(len(pivot.texts)), self.rules
        count = np.where(pivot.each(languages.is_unspaced), pivot.words, pivot.parts)
        found.reject(~pivot.empty & (count < rules.min_words), "too short")
        found.reject(count > rules.max_words, "too long")
        for side in (pivot, other):
            self._judge_side(side, found)
        short, long = (
            np.minimum(pivot.columns, other.columns),
            np.maximum(pivot.columns, other.columns),
        )
        unlike = long > rules.max_length_ratio * short
        alike = other.most_copied(pivot)

        def reason(row: int) -> str:
            text_a, text_b = pivot.texts[row].casefold(), other.texts[row].casefold()
            if text_a == text_b and "identical" in self._filters:
                return "identical"
            if unlike[row]:
                return "length ratio"
            return "copied" if copied_share(text_a, text_b) > rules.max_copied_share else ""

        found.reject((alike >= 1) | (alike > rules.max_copied_share), reason)
        found.reject(unlike, "length ratio")
        return found.reasons

    def _judge_side(self, side: Texts, found: Verdicts) -> None:
        def matched(row: int) -> str:
            text = side.texts[row]
            return next((name for name, pattern in self._patterns if pattern.search(text)), "")

        found.reject(side.empty, "empty")
        found.reject(side.suspect, matched)
        if "control" in self._filters:
            found.reject(side.control, "control")
            misread = lambda row: (
                "misread encoding" if is_misread(side.texts[row], side.codes[row]) else ""
            )
            found.reject(side.may_be_misread, misread)
        if "lines" in self._filters:
            found.reject(side.lines, "lines")
        found.reject(side.script_share < self.rules.min_script_share, "script")


def copied_share(text_a: str, text_b: str) -> float:
    """Returns the share of the second text's words that the first has too (0 to 1)."""
    have = set(words(text_a))
    found = words(text_b)
    return sum(word in have for word in found) / len(found) if found else 0.0
