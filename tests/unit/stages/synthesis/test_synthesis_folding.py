"""Other spellings of a test text are found in the training data, and the reason names how."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bayling_study.stages.synthesis.audit import audit
from bayling_study.stages.synthesis.decontamination import Contamination
from bayling_study.stages.synthesis.folding import DIGRAPHS, GONE, SERBIAN, cased, table
from helpers.synthesis_corpora import CharacterTokenizer, made, mixture, talks, write_corpora

GERMAN = "Der alte Leuchtturm an der Küste warnt seit hundert Jahren die Schiffe vor den Felsen"
PERSIAN = "من می‌خواهم کتاب‌های تازه‌ای را که دیروز خریده‌ام برای دوستانم در کتابخانه بخوانم"
ARABIC = "أخذ المسؤول الأوراق إلى المدرسة الكبيرة وقرأ على الأطفال قصة القراءة الأولى في المساء"
HEBREW = "בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ וְהָאָרֶץ הָיְתָה תֹהוּ וָבֹהוּ"
SERBIAN_TEXT = "Љубав и њежност џинова чувају ђаци, а ћутљиви учитељ шаље жене и чешљеве у двориште"
LATIN = "Ljubav i nježnost džinova čuvaju đaci, a ćutljivi učitelj šalje žene i češljeve u dvorište"
URDU = "میں کل کتاب خانہ جا کر اپنے دوست کے لیے ایک نئی کتاب لانا چاہتا ہوں"
SIMPLIFIED = "国家图书馆后面的饭馆里，学生们点了面条和台湾的干果，还谈论着历史、经济与艺术"
TRADITIONAL = "國家圖書館後面的飯館裡，學生們點了麵條和臺灣的乾果，還談論着歷史、經濟與藝術"
INVISIBLE, MARKUP, ARABIC_FOLD = "invisible characters", "markup", "Arabic"


def between(text: str, sign: str) -> str:
    """Returns a text with a sign behind each third character, inside of words only."""
    cut = "".join(c + sign if n % 3 == 1 and c.isalpha() else c for n, c in enumerate(text))
    return cut.replace(f"{sign} ", " ")


def without(text: str, low: str, high: str) -> str:
    return "".join(c for c in text if not low <= c <= high)


def reason(test: str, text: str) -> str | None:
    (found,) = Contamination({"suite": [test]}).find([text])
    return found.reason if found else None


SPELLINGS = {
    **{
        f"U+{ord(sign):04X}": (GERMAN, between(GERMAN, sign), INVISIBLE)
        for sign in "\u00ad\u200b\u2060\u200d\u200c\ufeff\u200e\u200f\u2066\ufe0f\u034f\u180b"
    },
    "space for zero-width space": (GERMAN, GERMAN.replace(" ", "\u200b"), INVISIBLE),
    "no ZWNJ": (PERSIAN, PERSIAN.replace("\u200c", ""), INVISIBLE),
    "space for ZWNJ": (PERSIAN, PERSIAN.replace("\u200c", " "), INVISIBLE),
    "Arabic yeh and kaf": (
        PERSIAN,
        PERSIAN.translate({ord("ی"): "ي", ord("ک"): "ك"}),
        ARABIC_FOLD,
    ),
    "Arabic heh in Urdu": (URDU, URDU.replace("ہ", "ه"), ARABIC_FOLD),
    "tatweel": (ARABIC, ARABIC.replace("ر", "رـ"), ARABIC_FOLD),
    "harakat": (ARABIC, ARABIC.replace("ر", "ر\u064e").replace("ل", "ل\u0651\u064f"), ARABIC_FOLD),
    "no hamza": (
        ARABIC,
        ARABIC.translate({ord("أ"): "ا", ord("إ"): "ا", ord("ؤ"): "و", ord("ء"): None}),
        ARABIC_FOLD,
    ),
    "decomposed hamza": (
        ARABIC.replace("أ", "ا"),
        unicodedata.normalize("NFD", ARABIC),
        ARABIC_FOLD,
    ),
    "teh marbuta and alef maksura": (
        ARABIC,
        ARABIC.translate({ord("ة"): "ه", ord("ى"): "ي"}),
        ARABIC_FOLD,
    ),
    "no niqqud": (HEBREW, without(HEBREW, "\u0591", "\u05c7"), "niqqud"),
    "Hebrew presentation forms": (
        without(HEBREW, "\u0591", "\u05c7"),
        HEBREW.replace("שׁ", "\ufb2a"),
        "niqqud",
    ),
    "Serbian in Latin": (SERBIAN_TEXT, LATIN, "Serbian"),
    "Serbian digraph letters": (
        SERBIAN_TEXT,
        LATIN.replace("lj", "ǉ").replace("dž", "ǆ"),
        "Serbian",
    ),
    "traditional Chinese": (SIMPLIFIED, TRADITIONAL, "traditional Chinese"),
    "forms of Taiwan": (SIMPLIFIED, TRADITIONAL.replace("裡", "裏"), "traditional Chinese"),
    "hard spaces": (GERMAN, GERMAN.replace(" ", "&nbsp;"), MARKUP),
    "hard spaces twice escaped": (GERMAN, GERMAN.replace(" ", "&amp;nbsp;"), MARKUP),
    "entities in words": (GERMAN, GERMAN.replace("ü", "&uuml;").replace("F", "&#70;"), MARKUP),
    "soft hyphens as entities": (GERMAN, between(GERMAN, "&shy;"), f"{MARKUP}, {INVISIBLE}"),
    "tags between words": (GERMAN, GERMAN.replace(" ", '</b> <b class="x">'), MARKUP),
    "line breaks between words": (GERMAN, GERMAN.replace(" ", "<br/>"), MARKUP),
    "tags inside words": (GERMAN, GERMAN.replace("turm", "<em>turm</em>"), MARKUP),
    "tags around a text": (GERMAN, f"<p><b>{GERMAN}</b></p>", MARKUP),
    "escaped tags": (GERMAN, GERMAN.replace(" ", "&lt;/p&gt;&lt;P&gt;"), MARKUP),
}


@pytest.mark.parametrize(("test", "text", "folding"), SPELLINGS.values(), ids=SPELLINGS)
def test_another_spelling_of_a_test_text_is_found_and_its_folding_named(
    test: str, text: str, folding: str
) -> None:
    assert text != test
    for one, other in ((test, text), (text, test)):
        assert reason(one, other) == f"equals a test text (folded: {folding})"


@pytest.mark.parametrize(
    ("test", "text", "folding"),
    [known for name, known in SPELLINGS.items() if name != "tags around a text"],
    ids=[name for name in SPELLINGS if name != "tags around a text"],
)
def test_it_is_found_inside_a_longer_text_too(test: str, text: str, folding: str) -> None:
    for one, other in ((test, text), (text, test)):
        part = reason(one, f"x1 x2 {other} x3")
        assert part is not None and part.endswith(f"-gram with a test text (folded: {folding})")


def test_markup_around_an_n_gram_is_no_folding_that_it_needed() -> None:
    assert reason(GERMAN, f"so <b>{GERMAN}</b> it is") == "shares a 13-gram with a test text"


@pytest.mark.parametrize(
    "text", [GERMAN, PERSIAN, ARABIC, HEBREW, SERBIAN_TEXT, LATIN, URDU, SIMPLIFIED]
)
def test_a_text_as_it_is_written_names_no_folding(text: str) -> None:
    assert reason(text, text) == "equals a test text"
    assert reason(text, unicodedata.normalize("NFD", text).upper()) == "equals a test text"


def test_all_thirty_serbian_letters_have_a_latin_form() -> None:
    assert len({*SERBIAN, *DIGRAPHS}) == 30
    assert len({*SERBIAN.values()}) == 27


def as_a_whole(texts: list[str]) -> list[int]:
    """Returns the code points of texts that Python's functions have looked at as one."""
    text = "\n".join(text.replace("\n", " ") for text in texts)
    text = unicodedata.normalize("NFKC", text).casefold()
    for letter, form in DIGRAPHS.items():
        text = text.replace(letter, form)
    return [ord(c) for c in text.encode("utf-8", "replace").decode()]


@example(["\ud83d\n，ａ", "e\u0301 ½ ß", "", "Љ", "각", "\u1112\u1161\u11ab", "か\uff9e"])
@given(st.lists(st.text(), max_size=5))
def test_code_points_are_looked_up_as_the_whole_would_be_normalised(texts: list[str]) -> None:
    assert cased(texts).tolist() == as_a_whole(texts)


@pytest.mark.parametrize(
    "frame", ["{}", "a{}", "{}\u0301", "\u1112{}\u11ab", "か{}が", "љ{}\u0323\u0301"]
)
def test_each_code_point_is_looked_up_as_it_is_normalised_beside_others(frame: str) -> None:
    texts = [frame.format(chr(code)) for code in range(0x32000) if chr(code) != "\n"]
    assert cased(texts).tolist() == as_a_whole(texts)


def test_what_is_left_out_is_what_unicode_says() -> None:
    forms, _ = table()
    gone = {chr(code) for code in np.flatnonzero(forms == GONE).tolist()}
    signs = "\u00ad\u034f\u061c\u115f\u17b4\u180e\u200b\u2060\u2066\u3164\ufe0f\ufeff\uffa0"
    assert gone >= {
        *signs,
        "\U000e0041",
        "\U000e0100",
        "\u05b0",
        "\u05c7",
        "\u064e",
        "\u0670",
        "\u06ed",
        "\u08f0",
    }
    assert not any(c.isalnum() for c in gone - {*signs, "\u1160", "\u0621", "\u0674", "\u0640"})


@pytest.mark.parametrize(
    ("test", "text", "found"),
    [
        (
            "Where is the old bridge, please?",
            "Translate to German: where is the old bridge please",
            True,
        ),
        (
            "Where is the old red bridge, please?",
            "Say “Where is the old red bridge, please?”",
            True,
        ),
        ("请问那座老桥在什么地方", "翻译成英语：请问那座老桥在什么地方？谢谢", True),
        ("where is the old bridge", "Translate to German: where is the old bridge", False),
        ("那座老桥在什么地方", "翻译成英语：那座老桥在什么地方", False),
        ("where is the old bridge", "Where is the old bridge?", True),
        ("v1 v2 v3 v4 v5 v6 v7 v8", "x v1 v2 v3 v4 v5 v6 v7 y", False),
    ],
)
def test_a_test_text_of_six_words_is_found_inside_an_instruction(
    test: str, text: str, found: bool
) -> None:
    assert (reason(test, text) is not None) is found


@pytest.mark.parametrize(
    "text",
    [
        "if a < b and c > d then e f g h i j k l m n o p",
        "AT&T and R&D; a & b; x&y",
        "use vector<int> and map<string, int> here",
        "&#99999999; &nonsense; <> </> <1>",
        "\x00 \ufdd0 \ud83d",
    ],
)
def test_what_is_no_markup_still_finds_itself(text: str) -> None:
    test = f"{text} q1 q2 q3 q4 q5 q6 q7 q8 q9 q10 q11 q12 q13"
    assert reason(test, f"so {test}") == "shares a 13-gram with a test text"


def test_a_placeholder_in_angle_brackets_is_a_word() -> None:
    assert reason("git notes edit [<object>]", "git notes edit [<ref>]") is None
    assert reason("git notes edit <object>", "git notes edit") is None
    assert reason("git notes edit <object>", "git notes edit object") == "equals a test text"


def test_a_line_break_as_entity_moves_no_text_of_the_batch() -> None:
    tests = Contamination({"suite": [GERMAN]})
    found = tests.find(["one&#10;two&NewLine;three", "nothing of it", between(GERMAN, "\u00ad")])
    assert [one is not None for one in found] == [False, False, True]


def test_the_audit_counts_and_shows_what_each_folding_caught(tmp_path: Path) -> None:
    leaks = talks(3)
    spelt = between(GERMAN, "\u00ad"), GERMAN.replace(" ", "&nbsp;"), GERMAN
    for leak, text in zip(leaks, spelt, strict=True):
        leak["messages"][1]["content"] = text
    corpora = write_corpora(tmp_path / "corpora", general=[*leaks, *talks(6)[3:]])
    wanted = mixture(conversations=20, shares={"translation": 0.85, "general": 0.15})
    result, _ = made(tmp_path / "made", corpora, wanted, tests={"wmt": [GERMAN]})
    facts = audit(result, CharacterTokenizer(), "bayling")
    assert facts["contamination"]["wmt"]["conversations"] == 3
    rows = {row["reason"]: row for row in facts["rejected"]["mixture"]}
    for tail, text in zip(
        (f" (folded: {INVISIBLE})", f" (folded: {MARKUP})", ""), spelt, strict=True
    ):
        row = rows[f"general: equals a test text{tail}"]
        assert row["count"] == 1 and text[:50] in row["samples"][0]
