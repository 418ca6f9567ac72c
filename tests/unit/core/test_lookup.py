"""Names are looked up, or told with what to write instead."""

from __future__ import annotations

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import closest, look_up, look_up_kind, require

REGISTER = {"replace-words": 1, "quotes": 2}


def test_a_known_name_gives_what_it_stands_for():
    assert look_up("demand", "quotes", REGISTER) == 2


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("replace-word", "fix: write 'replace-words' instead"),
        ("polish-it", "fix: one of: replace-words, quotes"),
    ],
)
def test_an_unknown_name_is_told_with_the_near_one_or_all(name, fix):
    with pytest.raises(StudyError) as caught:
        look_up("demand", name, REGISTER, "my.yaml: demands")
    assert str(caught.value).splitlines() == [
        f"my.yaml: demands: no demand is called {name!r}",
        f"  {fix}",
    ]


def test_a_short_name_is_near_nothing():
    with pytest.raises(StudyError, match="one of: es-en, zh-en"):
        require("direction", "cs-en", ["es-en", "zh-en"])
    with pytest.raises(StudyError, match=r"one of: \(none\)"):
        require("direction", "cs-en", [])


def test_keys_may_be_short():
    assert closest("beam", ["beams", "sample"]) == "beams"
    assert closest("x", []) is None


def test_a_thing_of_another_kind_is_not_offered():
    register = {"one": 1, "two": 2, "quotes": "„“"}
    assert look_up_kind(int, "number", "two", register) == 2
    with pytest.raises(StudyError) as caught:
        look_up_kind(int, "number", "quotes", register, "--number")
    assert str(caught.value).splitlines() == [
        "--number: no number is called 'quotes'",
        "  fix: one of: one, two",
    ]
