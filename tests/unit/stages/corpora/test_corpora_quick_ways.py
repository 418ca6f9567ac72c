"""What is quick in the corpora stage decides as what looks at every character."""

from __future__ import annotations

import random
import sys
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.config.corpora import Cleaning
from bayling_study.core.text.forms import compared, tidy
from bayling_study.core.text.words import columns, words
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.cleaning import Cleaner
from bayling_study.stages.corpora.misread import SINGLE, is_misread
from helpers.plain_cleaning import (
    PlainCleaner,
    is_plainly_misread,
    plain_columns,
    plain_words,
    plainly_compared,
    plainly_tidy,
)

CODES = ["en", "de", "fr", "cs", "ru", "uk", "el", "hy", "fa", "hi", "th", "my", "zh", "ja", "ko"]
SOME = (
    "lamp Lamp LAMP Straße STRASSE İst ﬁn naïve é ŉ ǰ ſo \u212a Лампа лампа Ні и\u0306 ΐς ΜΆΪΟΣ "
    "\u0345 և ԵՒ سلام می\u200cخ हिन्दी क्ष ไทย น้ำ ๒๕ ကို 配置 設備 々 〇 ｶﾞ \uff9e Ａｂ ， 。 한국 "
    "\u1100\u1161 ½ ² ① № … “ ” ’ – « » ´ ¨ \u0301 \u200d <b> &amp; ]( ** __ ` - • 1. # 3.5 www.x "
    "WWW. www. a@b.c x.com http://a /etc/ssl/c a/b/c {n} %s % $t( [[ a_b $5 R&D fÃ¼r Â° â€™ РџСЂРё "
    "浣犲ソ ГјС€ š» é… \x85 \x81 \u200b \ufffd \ue000 \u0378 😀 𝐀 𐐀 \U000e0100 \U0001d7d8 ፩ ❶ ,"
)
PIECES = SOME.split(" ")
BLANKS = [" ", " ", " ", "\n", "\t", "\xa0", "\u3000", "\u2028", ".", "-", ""]
TEXT = st.lists(
    st.sampled_from(PIECES) | st.sampled_from(BLANKS) | st.characters(), max_size=14
).map("".join)


@settings(max_examples=300, deadline=None)
@given(text=TEXT)
def test_forms_are_what_they_were(text: str) -> None:
    assert compared.__wrapped__(text) == plainly_compared(text)
    assert tidy(text) == plainly_tidy(text)
    assert words(text) == plain_words(text)
    assert columns(text) == plain_columns(text)


def test_every_character_counts_as_it_did() -> None:
    """Beside letters and marks, and at the ends of a text."""
    draw = random.Random(5)
    signs = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    signs = [sign for sign in signs if sign < "\u3400" or draw.random() < 0.02]
    texts = [f"{sign}a{sign}ก{sign} é{sign}\u0301b 中{sign}1{sign}" for sign in signs]
    assert len(texts) > 30_000
    assert [compared.__wrapped__(text) for text in texts] == list(map(plainly_compared, texts))
    assert list(map(columns, signs)) == list(map(plain_columns, signs))


@settings(max_examples=300, deadline=None)
@given(
    text_a=TEXT,
    text_b=TEXT,
    alike=st.booleans(),
    codes=st.tuples(st.sampled_from(CODES), st.sampled_from(CODES)),
    most=st.floats(0, 1),
    off=st.booleans(),
)
def test_verdicts_are_what_they_were(
    text_a: str, text_b: str, alike: bool, codes: tuple[str, str], most: float, off: bool
) -> None:
    text_b = text_a.swapcase() if alike else text_b
    segment = ParallelSegment("id", "src", *codes, text_a, text_b, "d")
    rules = Cleaning(min_words=1, max_copied_share=most, max_length_ratio=9, min_script_share=most)
    rules = rules.model_copy(update={"filters": []}) if off else rules
    assert Cleaner(rules).reason(segment) == PlainCleaner(rules).reason(segment)


@settings(max_examples=300, deadline=None)
@given(
    text=TEXT,
    code=st.sampled_from(CODES),
    encoding=st.sampled_from([*SINGLE, "latin-1", "gbk", ""]),
)
def test_what_was_misread_is_found_as_it_was(text: str, code: str, encoding: str) -> None:
    if encoding:
        text = text.encode("utf-8", "ignore").decode(encoding, "ignore")
    assert is_misread(text, code) == is_plainly_misread(text, code)


def test_each_verdict_of_the_property_is_met() -> None:
    """What the property above compares is not one verdict alone."""
    draw = random.Random(3)
    rules = Cleaning(min_words=1, max_length_ratio=1.5)
    cleaner = Cleaner(rules)
    met = set()
    for _ in range(4000):
        one, two = ("".join(draw.choices([*PIECES, *BLANKS], k=6)) for _ in range(2))
        two = unicodedata.normalize("NFC", draw.choice([one.swapcase(), one + two, two]))
        code = draw.choice(CODES)
        met.add(cleaner.reason(ParallelSegment("id", "src", "en", code, one, two, "d")))
    named = {"placeholder", "url", "markup", "control", "misread encoding", "lines", "script"}
    assert named | {"", "identical", "copied", "length ratio"} <= met
