from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayling_study.core.errors import StudyError
from bayling_study.core.text.forms import normalise
from bayling_study.core.text.words import words
from bayling_study.shared.interactive.checks import RULES, matched_share, satisfied, verify

EARLIER = ["Das Haus ist alt. Es hat drei Türen."]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ({"type": "contains", "text": "Gerät"}, "Das gerät.", "Die Geräte."),
        ({"type": "contains", "text": "密码"}, "输入密码。", "输入口令。"),
        ({"type": "excludes", "text": "Haus"}, "Die Häuser", "Ein HAUS!"),
        ({"type": "starts-with", "text": "the Key"}, "The  key is", "A key"),
        ({"type": "ends-with", "text": "end."}, "The end.", "The end"),
        ({"type": "max-length", "value": 3, "unit": "words"}, "a b c", "a b c d"),
        ({"type": "max-length", "value": 3, "unit": "characters"}, "你 好吗", "你好吗？"),
        ({"type": "min-length", "value": 2, "unit": "words"}, "a b", "a"),
        ({"type": "shorter"}, "Das Haus.", EARLIER[0]),
        ({"type": "longer"}, EARLIER[0] + " Mehr.", EARLIER[0]),
        ({"type": "script", "script": "Hans"}, "使用 Z-Wave Supervisor 应用", "Use the app"),
        ({"type": "script", "script": "Latn"}, "Use the app", "使用 Z-Wave Supervisor 应用"),
        ({"type": "script", "script": "Cyrl"}, "Привет, Bob", "Hello, Bob"),
        ({"type": "upper-case"}, "GROẞ 1", "GROSs"),
        ({"type": "quoted"}, "„Ja.“", "„Ja.“ sagte er"),
        ({"type": "similar", "text": "a b c d", "least": 0.7}, "a b c e", "x y z d"),
        ({"type": "part", "sentence": 0, "least": 0.9}, "Das Haus ist alt.", EARLIER[0]),
        ({"type": "part", "sentence": -1, "least": 0.9}, "Es hat drei Türen.", "Das Haus."),
        ({"type": "changed"}, "Anders.", EARLIER[0].upper()),
        ({"type": "keeps", "of": "answer", "least": 1.0}, "drei Türen", "vier Türen"),
        ({"type": "keeps", "of": "earlier", "least": 1.0}, f"»{EARLIER[0]}« ja", "Das Haus."),
        (
            {"type": "keeps", "least": 1.0, "replace": [["Haus", "Schloss"]]},
            "Das Schloss ist alt. Es hat drei Türen.",
            "Das Schloss ist neu. Es hat drei Türen.",
        ),
    ],
)
def test_each_check_accepts_and_refuses(check: dict[str, object], good: str, bad: str) -> None:
    assert satisfied(check, good, EARLIER)
    assert not satisfied(check, bad, EARLIER)


def test_nothing_is_satisfied_by_an_empty_answer() -> None:
    for check in ({"type": "excludes", "text": "x"}, {"type": "upper-case"}):
        assert verify([check], " \n", EARLIER) == [False]


def test_checks_about_an_earlier_answer_fail_without_one() -> None:
    for check in ({"type": "keeps", "least": 0.5}, {"type": "changed"}):
        assert not satisfied(check, "text", [])
    assert not satisfied({"type": "part", "sentence": 0, "least": 0.5}, "text", [])


def test_an_unknown_check_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(StudyError, match="contains"):
        satisfied({"type": "contain"}, "text", [])


@given(st.text(), st.text())
def test_matched_share_is_a_share_and_full_only_of_itself(one: str, other: str) -> None:
    assert 0 <= matched_share(one, other) <= 1
    if words(normalise(one)):
        assert matched_share(one, one) == 1


def test_every_rule_is_in_the_table_of_the_manual() -> None:
    from bayling_study.shared.interactive import checks

    assert all(f"``{name}``" in (checks.__doc__ or "") for name in RULES)
