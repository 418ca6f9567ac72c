"""What a word, a script and a boundary are: the table of cases, and that all agree on them."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayling_study.core import languages
from bayling_study.core.languages.flores import flores_languages
from bayling_study.core.text.forms import compared, normalise, occurrences, tidy
from bayling_study.core.text.scripts import (
    UNSPACED,
    is_unspaced_character,
    script_name,
    script_names,
)
from bayling_study.core.text.words import (
    MARKS,
    TOKEN,
    columns,
    is_boundary,
    is_quotable,
    length,
    script_share,
    sentences,
    spans,
    words,
)
from bayling_study.stages.synthesis.hashing import units

CASES = {
    "English": ("Turn it on.", ["Turn", "it", "on"]),
    "German": ("Gerät über 50 % laden", ["Gerät", "über", "50", "laden"]),
    "an accent written apart": ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
    "apostrophe": ("don't l’eau", ["don", "t", "l", "eau"]),
    "a letter that looks like one": ("oʻzbek м\u02bcяч", ["oʻzbek", "м\u02bcяч"]),
    "hyphen": ("Z-Wave", ["Z", "Wave"]),
    "underscore": ("max_age", ["max", "age"]),
    "letters with digits": ("IPv4 2nd", ["IPv4", "2nd"]),
    "decimal point": ("1.5 kg", ["1", "5", "kg"]),
    "keycap": ("1\ufe0f\u20e3 x", ["1\ufe0f\u20e3", "x"]),
    "Chinese": ("请打开", ["请", "打", "开"]),
    "Chinese with Latin": ("在 Home Assistant中", ["在", "Home", "Assistant", "中"]),
    "Chinese with digits": ("配置3台", ["配", "置", "3", "台"]),
    "Chinese variant": ("葛\U000e0100城", ["葛\U000e0100", "城"]),
    "Chinese zero and repetition": ("二〇 人々", ["二", "〇", "人", "々"]),
    "bopomofo": ("ㄅㄆ", ["ㄅㄆ"]),
    "kana": ("カードを", ["カ", "ー", "ド", "を"]),
    "kana with marks apart": ("か\u3099く", ["か\u3099", "く"]),
    "half-width kana": ("ﾊﾞｽ", ["ﾊﾞ", "ｽ"]),
    "full-width Latin": ("ＡＢ 中", ["ＡＢ", "中"]),
    "Hangul": ("홈 어시스턴트를", ["홈", "어시스턴트를"]),
    "Hangul in parts": ("\u1112\u1169\u11b7", ["\u1112\u1169\u11b7"]),
    "Thai": ("สวัสดีครับ", ["ส", "วั", "ส", "ดี", "ค", "รั", "บ"]),
    "Thai digits": ("ปี ๒๕๖๗", ["ปี", "๒๕๖๗"]),
    "Lao": ("ສະບາຍດີ", ["ສ", "ະ", "ບ", "າ", "ຍ", "ດີ"]),
    "Khmer": ("ខ្មែរ", ["ខ្", "មែ", "រ"]),
    "Burmese": ("မြန်မာ", ["မြ", "န်", "မာ"]),
    "Tibetan": ("བོད་སྐད", ["བོ", "ད", "སྐ", "ད"]),
    "Devanagari": ("हिन्दी में २०", ["हिन्दी", "में", "२०"]),
    "Tamil": ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
    "joiners": ("می\u200cخواهم क्\u200dष", ["می\u200cخواهم", "क्\u200dष"]),
    "Arabic with harakat": ("مُحَمَّدٌ هُنا", ["مُحَمَّدٌ", "هُنا"]),
    "Arabic digits": ("عام ٢٠٢٤", ["عام", "٢٠٢٤"]),
    "Hebrew with points": ("שָׁלוֹם", ["שָׁלוֹם"]),
    "signs alone": ("… 👍\ufe0f \u0301", []),
}
"""Text and its words."""


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert len(units([text]).hashes) == len(words(normalise(text)))


@pytest.mark.parametrize(
    ("text", "script", "share"),
    [
        ("请打开 Home Assistant", "Hans", 3 / 5),
        ("请打开 Home Assistant", "Latn", 2 / 5),
        ("配置 Hub 3", "Hant", 2 / 3),
        ("スマート家", "Jpan", 1),
        ("家を ﾊｽ", "Jpan", 1),
        ("人々", "Hani", 1),
        ("大韓民國 만세", "Kore", 1),
        ("Home Assistant 열기", "Kore", 1 / 3),
        ("ＵＳＢ оба", "Latn", 1 / 2),
        ("ʻOhana oʻzbek", "Latn", 1),
        ("हिन्दी Hub", "Deva", 1 / 2),
        ("বাংলা", "Beng", 1),
        ("می\u200cخواهم", "Arab", 1),
        ("สวัสดี Hub", "Thai", 4 / 5),
        ("2nd", "Latn", 1),
        ("12 ٢٠", "Arab", 0),
        ("", "Latn", 0),
        ("Use the app", "Cyrl", 0),
    ],
)
def test_script_share(text: str, script: str, share: float) -> None:
    assert script_share(text, script) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "fragment", "count"),
    [
        ("Das gerät.", "Gerät", 1),
        ("Die Geräte", "Gerät", 0),
        ("दिली शुभकामनाएँ", "दिल", 0),
        ("दिल की बात", "दिल", 1),
        ("दिली", "ली", 0),
        ("हिंदी में", "दी", 0),
        ("বাংলাদেশ", "বাংলা", 0),
        ("বাংলা ভাষা", "বাংলা", 1),
        ("தமிழ்", "தமி", 0),
        ("తెలుగు", "తెల", 0),
        ("नेपाली", "नेपाल", 0),
        ("සිංහල", "සිං", 0),
        ("ગુજરાતી", "ગુજરાત", 0),
        ("كِتَابٌ", "كِتَاب", 0),
        ("كتاب جديد", "كتاب", 1),
        ("می\u200cخواهم", "می", 0),
        ("cafe\u0308 cafe", "cafe", 1),
        ("สวัสดีครับ", "ดี", 1),
        ("สวัสดีครับ", "ด", 0),
        ("สวัสดีครับ", "ครับ", 1),
        ("输入密码，密码", "密码", 2),
        ("打开Hub吧", "Hub", 1),
        ("ａｂ x", "AB", 1),
        ("any", "", 0),
    ],
)
def test_occurrences_are_whole_words(text: str, fragment: str, count: int) -> None:
    assert occurrences(text, fragment) == count


@pytest.mark.parametrize(
    ("text", "fragment"), [("हिन्दी", True), ("ดี", True), ("a b", True), ("a.", False), ("ी", False)]
)
def test_what_ends_with_a_mark_on_a_letter_is_quotable(text: str, fragment: bool) -> None:
    assert is_quotable(text) == fragment
    assert not is_quotable(f"„{text}“") and not is_quotable("")


@pytest.mark.parametrize(
    ("text", "in_words", "in_characters"),
    [
        ("a – b, c", 4, 5),
        ("你 好吗？", 2, 4),
        ("สวัสดีครับ", 1, 7),
        ("हिन्दी में", 2, 4),
        ("", 0, 0),
    ],
)
def test_length_is_what_a_reader_counts(text: str, in_words: int, in_characters: int) -> None:
    assert (length(text, "words"), length(text, "characters")) == (in_words, in_characters)


def test_the_table_of_unspaced_scripts_holds_exactly_their_letters() -> None:
    """Historical kana of the second plane are left out, and so is nothing else."""
    codes = [*range(0x1AF00), *range(0x20000, 0x40000)]
    letters = [character for character in map(chr, codes) if character.isalpha()]
    wrong = [
        f"{character!r} {unicodedata.name(character, '')}"
        for character in letters
        if character not in MARKS
        and is_unspaced_character(character) != (script_name(character) in UNSPACED)
    ]
    assert len(letters) > 100_000 and not wrong
    assert not any(is_unspaced_character(chr(c)) for c in codes if chr(c).isdecimal())


def test_each_language_is_written_in_a_script_that_has_letters() -> None:
    known = {script_name(chr(code)) for code in range(0x20000)}
    scripts = {languages.script(item.code) for item in flores_languages()}
    assert len(scripts) > 20
    assert all(known.issuperset(script_names(script)) for script in scripts)
    unspaced = {item.code for item in flores_languages() if languages.is_unspaced(item.code)}
    assert unspaced == {"zh", "zht", "ja", "th", "lo", "km", "my"}


def test_no_word_begins_at_a_mark_even_one_that_counts_as_a_letter() -> None:
    assert "\uff9e".isalnum()
    assert [is_boundary("ab\uff9e c\u0301", place) for place in range(7)] == [
        *(True, False, False, True, True, False, True)
    ]
    assert [is_boundary("中\uff9e中", place) for place in range(4)] == [True, False, True, True]


@given(st.text())
def test_tokens_cover_all_but_the_spaces(value: str) -> None:
    tokens = [value[start:end] for start, end in spans(value)]
    assert "".join(tokens) == "".join(value.split())
    assert [token for token in tokens if token[0].isalnum()] == words(value)


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_tokens_of_ascii_text_are_those_of_any_text(value: str) -> None:
    assert list(spans(value)) == [match.span() for match in TOKEN.finditer(value)]


LETTERS = "aB1ß， _中国กาดี๒か\u3099é\u0301\u200c.-\n"


# The non-joiner is folded away there, and only there.
@given(st.lists(st.text(alphabet=LETTERS.replace("\u200c", ""), max_size=40), max_size=6))
def test_hashed_units_are_the_words_of_each_text(texts: list[str]) -> None:
    cut = units(texts)
    plain = [words(normalise(text)) for text in texts]
    assert np.bincount(cut.texts, minlength=len(texts)).tolist() == [len(p) for p in plain]
    flat = [word for part in plain for word in part]
    assert cut.wide.tolist() == [is_unspaced_character(word) for word in flat]
    known: dict[str, int] = {}
    for word, value in zip(flat, cut.hashes.tolist(), strict=True):
        assert known.setdefault(word, value) == value
    assert len(set(known.values())) == len(known)


@given(st.text(alphabet=LETTERS, max_size=20))
def test_a_word_between_spaces_is_found_in_its_text(value: str) -> None:
    found = words(normalise(f"a {value}"))
    assert "a" in found
    for word in found:
        assert occurrences(f"x {word} y", word) == 1


def test_columns_and_tidy() -> None:
    assert columns("ab") == 2
    assert columns("配置a") == 5
    assert tidy("  a\u00a0 b \r\n\n c ") == "a b\n\nc"


def test_compared_levels_what_does_not_make_a_text_new() -> None:
    assert compared("Step 1: wait") == compared("step 2 – wait!")
    assert compared("Step one: wait") != compared("step two: wait")
    assert compared("ＡＢ") == compared("ab")
    assert compared("ปี ๒๕๖๗") == compared("ปี ๒๕๖๘")


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("One. Two!", ["One.", "Two!"]),
        ("Use e.g. Paris. Then go.", ["Use e.g. Paris.", "Then go."]),
        ("Version 2. Next.", ["Version 2. Next."]),
        ("请输入密码。然后重试！", ["请输入密码。", "然后重试！"]),
        ("no stop", ["no stop"]),
    ],
)
def test_sentences(whole: str, parts: list[str]) -> None:
    assert sentences(whole) == parts
