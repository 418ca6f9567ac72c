"""Why a demand is met or not, in words."""

from __future__ import annotations

import pytest

from bayling_study.shared.interactive.checks import RULES
from bayling_study.shared.interactive.reasons import ASKED, Reason, asked, reasons

BEFORE = ["Das Haus ist alt. Es hat drei Türen."]


def test_every_check_has_words() -> None:
    assert set(ASKED) == set(RULES)


@pytest.mark.parametrize(
    ("check", "answer", "words", "found"),
    [
        ({"type": "contains", "text": "Tür"}, "Das Tor.", "has “Tür”", ""),
        ({"type": "excludes", "text": "Tor"}, "Das Tor.", "lacks “Tor”", ""),
        ({"type": "starts-with", "text": "Ein"}, "Das Tor.", "begins with “Ein”", ""),
        ({"type": "ends-with", "text": "!"}, "Das Tor.", "ends with “!”", ""),
        (
            {"type": "max-length", "value": 2, "unit": "words"},
            "a b c",
            "at most 2 words",
            "3 words",
        ),
        (
            {"type": "min-length", "value": 9, "unit": "characters"},
            "你好。",
            "at least 9 characters",
            "3 characters",
        ),
        ({"type": "shorter"}, " ".join("abcdefghi"), "fewer words than before", "9 after 8"),
        ({"type": "longer"}, "a b", "more words than before", "2 after 8"),
        ({"type": "script", "script": "Cyrl"}, "Hello", "in Cyrillic script", "0 % of its words"),
        ({"type": "upper-case"}, "Ab", "capitals only", ""),
        ({"type": "quoted"}, "Ab", "in quotation marks", ""),
        (
            {"type": "similar", "text": "a b c", "least": 0.7},
            "a b x",
            "at least 70 % as “a b c”",
            "66 %",
        ),
        (
            {"type": "keeps", "of": "earlier", "least": 0.8},
            "Das Haus ist alt.",
            "at least 80 % is left of the previous answer",
            "50 %",
        ),
        (
            {"type": "keeps", "least": 1.0, "replace": [["Haus", "Tor"]]},
            BEFORE[0],
            "at least 100 % is as in the previous answer, with the change",
            "87 %",
        ),
        (
            {"type": "part", "sentence": -1, "least": 0.9},
            "Das Haus ist alt.",
            "is the last sentence of the previous answer",
            "0 %",
        ),
        ({"type": "changed"}, BEFORE[0], "differs from the previous answer", ""),
    ],
)
def test_a_failed_check_says_what_it_asked_and_what_was_found(
    check: dict[str, object], answer: str, words: str, found: str
) -> None:
    assert asked(check) == words
    assert reasons([check], answer, BEFORE) == [Reason(False, found)]


def test_a_share_just_short_of_the_threshold_does_not_read_as_the_threshold() -> None:
    text = " ".join(f"w{number}" for number in range(250))
    answer = " ".join(f"w{number}" for number in range(199)) + " x" * 51
    check = {"type": "similar", "text": text, "least": 0.8}
    assert reasons([check], answer, []) == [Reason(False, "79 %")]


def test_a_satisfied_check_and_an_empty_answer_need_no_counts() -> None:
    assert reasons([{"type": "longer"}], "a b c d e f g h i j", BEFORE) == [Reason(True)]
    assert reasons([{"type": "longer"}], " ", BEFORE) == [Reason(False, "the answer is empty")]


def test_a_kind_of_check_without_words_shows_its_name_and_arguments() -> None:
    assert asked({"type": "rhymes", "with": "moon"}) == "rhymes with moon"
