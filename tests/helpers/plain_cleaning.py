"""Cleaning as it was while each check looked at every character: what the quick ways of the corpora
stage are compared with."""

from __future__ import annotations

import re
import unicodedata

from bayling_study.config.corpora import Cleaning
from bayling_study.core import languages
from bayling_study.core.text.forms import ZEROS, normalise, storable
from bayling_study.core.text.scripts import script_name, script_names
from bayling_study.core.text.words import TOKEN
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.cleaning import (
    CONTROL_CATEGORIES,
    JOINERS,
    MARKUP,
    NO_JOINERS,
    PLACEHOLDER,
    URL,
)
from bayling_study.stages.corpora.misread import C1, CLOSED, LEAST_HAN, SHARE, SINGLE, _own


def plainly_tidy(text: str) -> str:
    whole = unicodedata.normalize("NFC", storable(text))
    lines = (re.sub(r"\s+", " ", line).strip() for line in whole.split("\n"))
    return "\n".join(lines).strip()


def plain_words(text: str) -> list[str]:
    return [token for token in TOKEN.findall(text) if token[0].isalnum()]


def plainly_compared(text: str) -> str:
    return " ".join(plain_words(normalise(text).translate(ZEROS)))


def plain_columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def plain_script_share(text: str, script: str) -> float:
    firsts = [next(filter(None, map(script_name, word)), "") for word in plain_words(text)]
    names = [name for name in firsts if name]
    own = script_names(script)
    return sum(name in own for name in names) / len(names) if names else 0.0


def is_plainly_misread(text: str, language: str) -> bool:
    """Tells whether a text is mostly UTF-8 of the language's own script, read as another encoding.
    The encodings tried are Windows-1252 and Latin-1, Windows-1250, -1251, and GBK."""
    if text.isascii():
        return False
    names = script_names(languages.script(language))
    bare = CLOSED.sub("", text)
    found = [bare.encode(encoding, C1) for encoding in SINGLE]
    if "CJK" in names and _high(han := bare.encode("gbk", "ignore")) >= 2 * LEAST_HAN:
        found.append(han)
    rest = sum(sign > "\x7f" for sign in bare)
    return any(_own(data, names) > SHARE * max(rest, _high(data)) for data in found)


def _high(data: bytes) -> int:
    return sum(byte > 0x7F for byte in data)


def has_control(text: str, language: str) -> bool:
    """Tells whether a text holds control, invisible, private or undecodable characters. Line breaks
    are fine here; zero-width joiners are where the script needs them."""
    if text.isascii():
        return any((c < " " and c != "\n") or c == "\x7f" for c in text)
    if "\ufffd" not in text and text.replace("\n", "").isprintable():
        return False  # the quick way for most texts: nothing but letters, signs and blanks
    joiners_fine = script_names(languages.script(language))[0] not in NO_JOINERS
    return any(
        c == "\ufffd" or (c != "\n" and unicodedata.category(c) in CONTROL_CATEGORIES)
        for c in text
        if not (joiners_fine and c in JOINERS)
    )


class PlainCleaner:
    """Judges parallel segments by one ``Cleaning`` section."""

    def __init__(self, rules: Cleaning) -> None:
        self.rules = rules
        self._filters = frozenset(rules.filters)

    def reason(self, segment: ParallelSegment) -> str:
        """Returns the first reason to reject a segment, or an empty string."""
        return (
            self._judge_pivot(segment.text_a, segment.lang_a)
            or self._judge_side(segment.text_b, segment.lang_b)
            or self._judge_pair(segment)
        )

    def _judge_pivot(self, text: str, language: str) -> str:
        count = len(plain_words(text)) if languages.is_unspaced(language) else len(text.split())
        if text and count < self.rules.min_words:
            return "too short"
        if count > self.rules.max_words:
            return "too long"
        return self._judge_side(text, language)

    def _judge_side(self, text: str, language: str) -> str:
        if not text:
            return "empty"
        on = self._filters
        for name, pattern in (("placeholder", PLACEHOLDER), ("url", URL), ("markup", MARKUP)):
            if name in on and pattern.search(text):
                return name
        if "control" in on and has_control(text, language):
            return "control"
        if "control" in on and is_plainly_misread(text, language):
            return "misread encoding"
        if "lines" in on and "\n" in text:
            return "lines"
        if plain_script_share(text, languages.script(language)) < self.rules.min_script_share:
            return "script"
        return ""

    def _judge_pair(self, segment: ParallelSegment) -> str:
        text_a, text_b = segment.text_a, segment.text_b
        if "identical" in self._filters and text_a.casefold() == text_b.casefold():
            return "identical"
        short, long = sorted((plain_columns(text_a), plain_columns(text_b)))
        if long > self.rules.max_length_ratio * short:
            return "length ratio"
        if copied_share(text_a, text_b) > self.rules.max_copied_share:
            return "copied"
        return ""


def copied_share(text_a: str, text_b: str) -> float:
    """Returns the share of the second text's words that the first has too (0 to 1)."""
    have = set(plain_words(text_a.casefold()))
    found = plain_words(text_b.casefold())
    return sum(word in have for word in found) / len(found) if found else 0.0
