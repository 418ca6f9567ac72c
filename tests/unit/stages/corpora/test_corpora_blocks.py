"""Blocks of texts: of each is told what the functions for one text tell, whatever stands beside it."""

from __future__ import annotations

import random
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.config.corpora import Cleaning
from bayling_study.core import languages
from bayling_study.core.text.forms import compared
from bayling_study.core.text.words import columns, length, script_share, words
from bayling_study.stages.corpora import blocks
from bayling_study.stages.corpora.blocks import Texts
from bayling_study.stages.corpora.cleaning import MARKUP, PLACEHOLDER, URL, Cleaner, copied_share
from bayling_study.stages.corpora.misread import is_misread
from helpers.plain_cleaning import PlainCleaner, has_control
from helpers.plain_cleaning import is_misread as is_plainly_misread

CODES = ["en", "de", "fr", "ru", "uk", "el", "hy", "ar", "fa", "hi", "th", "my", "zh", "ja", "ko"]
PIECES = [
    *(
        "lamp",
        "Lamp",
        "LAMP",
        "Straße",
        "STRASSE",
        "İst",
        "ﬁn",
        "naïve",
        "é",
        "ŉ",
        "ǰ",
        "ſo",
        "\u212a",
    ),
    *("Лампа", "лампа", "Ні", "и\u0306", "ΐς", "ΜΆΪΟΣ", "\u0345", "և", "ԵՒ", "سلام", "می\u200cخ"),
    *(
        "हिन्दी",
        "क्ष",
        "ไทย",
        "น้ำ",
        "๒๕",
        "ကို",
        "配置",
        "設備",
        "々",
        "〇",
        "ｶﾞ",
        "\uff9e",
        "Ａｂ",
        "，",
        "。",
    ),
    *(
        "한국",
        "\u1100\u1161",
        "½",
        "²",
        "①",
        "№",
        "…",
        "“",
        "”",
        "’",
        "–",
        "´",
        "¨",
        "\u0301",
        "\u200d",
    ),
    *(
        "<b>",
        "&amp;",
        "](",
        "**",
        "__",
        "`",
        "- a",
        "• b",
        "1. c",
        "# d",
        "3.5",
        "www.x",
        "WWW.",
        "a@b.c",
    ),
    *(
        "x.com",
        "http://a",
        "/etc/ssl/c",
        "a/b/c",
        "{n}",
        "%s",
        "% d",
        "%(a)s",
        "[[",
        "$t(",
        "a_b",
        "$5",
        "R&D",
    ),
    *(
        "fÃ¼r",
        "Â°",
        "â€™",
        "РџСЂРё",
        "浣犲ソ",
        "ГјС€",
        "\x85",
        "\x81",
        "\u200b",
        "\ufffd",
        "\ue000",
        "\t",
    ),
    *(
        " ",
        " ",
        " ",
        " ",
        "\n",
        "\xa0",
        "\u3000",
        "\u2028",
        ".",
        "-",
        "!",
        "'",
        "😀",
        "𝐀",
        "𐐀",
        "\U000e0100",
    ),
]
TEXT = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=12).map("".join)
PAIR = st.tuples(TEXT, TEXT, st.sampled_from(CODES), st.sampled_from(CODES), st.booleans())
MEASURES: dict[str, Callable[[str, str], Any]] = {
    "compared": lambda text, _: compared(text),
    "words": lambda text, _: len(words(text)),
    "parts": lambda text, _: length(text, "words"),
    "columns": lambda text, _: columns(text),
    "script_share": lambda text, code: script_share(text, languages.script(code)),
    "control": has_control,
    "lines": lambda text, _: "\n" in text,
    "empty": lambda text, _: not text,
}


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(st.tuples(TEXT, st.sampled_from(CODES)), min_size=1, max_size=8))
def test_a_block_tells_of_each_text_what_is_told_of_it_alone(rows: list[tuple[str, str]]) -> None:
    texts, codes = map(list, zip(*rows, strict=True))
    block = Texts(texts, codes)
    for name, one in MEASURES.items():
        found = list(getattr(block, name))
        assert found == [one(text, code) for text, code in rows], name
    assert block.suspect.all() or not any(
        pattern.search(text)
        for text, is_suspect in zip(texts, block.suspect, strict=True)
        for pattern in (PLACEHOLDER, URL, MARKUP)
        if not is_suspect
    )
    told = [is_misread(text, code) for text, code in rows]
    assert told == [is_plainly_misread(text, code) for text, code in rows]
    assert (block.may_be_misread >= told).all()


@settings(max_examples=300, deadline=None)
@given(pairs=st.lists(PAIR, min_size=1, max_size=8), words=st.integers(1, 4), most=st.floats(0, 1))
def test_verdicts_are_those_on_one_segment(
    pairs: list[tuple[str, str, str, str, bool]], words: int, most: float
) -> None:
    rows = [(a, code, a if alike else b, other) for a, b, code, other, alike in pairs]
    one, code_a, other, code_b = map(list, zip(*rows, strict=True))
    pivot, translation = Texts(one, code_a), Texts(other, code_b)
    for filters in (Cleaning().filters, []):
        rules = Cleaning(filters=filters, min_words=words, max_copied_share=most)
        plain = PlainCleaner(rules)
        assert Cleaner(rules).reasons(pivot, translation) == [plain.reason(*row) for row in rows]
    bound = translation.most_copied(pivot)
    shares = [copied_share(a.casefold(), b.casefold()) for a, _, b, _ in rows]
    assert (bound >= shares).all()


def test_every_character_counts_as_it_does_alone() -> None:
    """Between letters, after a mark and at the ends of a text, in NFC as texts are."""
    draw = random.Random(5)
    signs = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    signs = [sign for sign in signs if sign < "\u3400" or draw.random() < 0.02]
    raw = [f"{sign}a{sign}ก{sign} é{sign}\u0301b 中{sign}1{sign}" for sign in signs]
    texts = [unicodedata.normalize("NFC", text) for text in raw]
    codes = [draw.choice(CODES) for _ in texts]
    block = Texts(texts, codes)
    assert len(signs) > 20_000
    for name, one in MEASURES.items():
        found = list(getattr(block, name))
        wrong = [text for text, c, f in zip(texts, codes, found, strict=True) if one(text, c) != f]
        assert wrong == [], name
    alone = sum(block._have(blocks.UNEVEN | blocks.HALF).tolist())
    assert alone < 0.5 * len(texts)  # else the block tells little by itself
