"""Which parallel segments are not worth learning from or testing on, and why. ``Cleaner.reason``
returns the first reason against a segment. Reasons about one side alone come first. The filters
with a name (``Filter`` in the config) can be switched off; those with a limit are tuned by it."""

import re
import unicodedata
from functools import cache

from bayling_study.config.corpora import Cleaning
from bayling_study.core import languages
from bayling_study.core.tables import beside
from bayling_study.core.text.forms import compared
from bayling_study.core.text.scripts import script_name, script_names
from bayling_study.core.text.words import columns, length, script_share, words
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.misread import is_misread

PLACEHOLDER, MARKUP, URL = map(re.compile, beside(__file__).values())
SUSPECT = frozenset("{}[]%$_<>&`*~#•+@/\ufffd\uff9e\uff9f")
"""Without these, a full stop inside or a dash before a blank no pattern matches. The last two are
letters and marks at once."""
CONTROL_CATEGORIES = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})
JOINERS = frozenset("\u200c\u200d")
NO_JOINERS = frozenset({"LATIN", "CYRILLIC", "GREEK", "CJK", "HANGUL", "HEBREW"})
"""Scripts whose spelling has no use for U+200C and U+200D (Unicode Standard, 23.2)."""


def has_control(text: str, language: str) -> bool:
    """Tells whether a text holds control, invisible, private or undecodable characters. Line breaks
    are fine here; zero-width joiners are where the script needs them."""
    joiners_fine = script_names(languages.script(language))[0] not in NO_JOINERS
    return any(
        c == "\ufffd" or (c != "\n" and unicodedata.category(c) in CONTROL_CATEGORIES)
        for c in text
        if not (joiners_fine and c in JOINERS)
    )


@cache
def _is_plain(sign: str, language: str) -> bool:
    own = ("", *script_names(languages.script(language)))
    return sign.isprintable() and sign not in SUSPECT and script_name(sign) in own


def is_plain(text: str, language: str) -> bool:
    """Tells whether a text is letters of the language's script and signs that no filter minds."""
    if "." in text[:-1] or "- " in text or text[-4:].lower() == "www.":
        return False
    return all(_is_plain(sign, language) for sign in set(text)) and any(map(script_name, text))


class Cleaner:
    """Judges parallel segments by one ``Cleaning`` section."""

    def __init__(self, rules: Cleaning) -> None:
        self.rules = rules
        self._filters = frozenset(rules.filters)

    def reason(self, segment: ParallelSegment) -> str:
        """Returns the first reason to reject a segment, or an empty string."""
        text, language = segment.text_a, segment.lang_a
        count = len(words(text)) if languages.is_unspaced(language) else length(text, "words")
        if text and count < self.rules.min_words:
            return "too short"
        if count > self.rules.max_words:
            return "too long"
        sides = (text, language), (segment.text_b, segment.lang_b)
        found = next(filter(None, (self._judge_side(*side) for side in sides)), "")
        return found or self._judge_pair(segment)

    def _judge_side(self, text: str, language: str) -> str:
        if not text:
            return "empty"
        on = self._filters
        if is_plain(text, language):
            return "misread encoding" if "control" in on and is_misread(text, language) else ""
        for name, pattern in (("placeholder", PLACEHOLDER), ("url", URL), ("markup", MARKUP)):
            if name in on and pattern.search(text):
                return name
        if "control" in on and has_control(text, language):
            return "control"
        if "control" in on and is_misread(text, language):
            return "misread encoding"
        if "lines" in on and "\n" in text:
            return "lines"
        if script_share(text, languages.script(language)) < self.rules.min_script_share:
            return "script"
        return ""

    def _judge_pair(self, segment: ParallelSegment) -> str:
        text_a, text_b = segment.text_a, segment.text_b
        one, other, alike = "", "", 1.0  # the texts' words cannot be more alike
        if all(unicodedata.is_normalized("NFKC", text) for text in (text_a, text_b)):
            one, other = compared(text_a), compared(text_b)
            alike = copied_share(one.split(" "), other.split(" "))
        if "identical" in self._filters and one == other and text_a.casefold() == text_b.casefold():
            return "identical"
        short, long = sorted((columns(text_a), columns(text_b)))
        if long > self.rules.max_length_ratio * short:
            return "length ratio"
        most = self.rules.max_copied_share
        if alike > most and copied_share(*(words(t.casefold()) for t in (text_a, text_b))) > most:
            return "copied"
        return ""


def copied_share(words_a: list[str], words_b: list[str]) -> float:
    """Returns the share of the second text's words that the first has too (0 to 1)."""
    return sum(map(set(words_a).__contains__, words_b)) / len(words_b) if words_b else 0.0
