"""Interactive translation, turn by turn."""

from __future__ import annotations

from typing import Any

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import interactive
from bayling_study.shared.metrics.measurement import Options
from helpers.scoring_cases import answers, values

FIRST: dict[str, Any] = {"kind": "translate", "checks": []}
ADD: dict[str, Any] = {"kind": "add", "checks": [{"type": "contains", "text": "old"}]}
SHORT: dict[str, Any] = {"kind": "shorten", "checks": [{"type": "shorter"}]}


def test_satisfaction_kept_share_and_quality() -> None:
    given = answers(
        [
            ["the cat sat on mats", "the old cat sat on mats"],
            ["a dog ran home", "something else", "something else again"],
        ],
        [
            ["the cat sat on mats", "the old cat sat on mats"],
            ["a dog ran home", "an old dog ran home", "an old dog ran"],
        ],
        [{"demands": [FIRST, ADD]}, {"demands": [FIRST, ADD, SHORT]}],
    )
    found = interactive.measure(given, Options())
    result = values(found)
    assert result["satisfaction"] == pytest.approx(100 / 3)
    assert result["satisfaction-all"] == 50
    assert result["satisfaction.add"] == 50 and result["satisfaction.shorten"] == 0
    assert "satisfaction.translate" not in result
    # kept: 5/5 of the first; 0/4 and 2/2 of the second
    assert result["kept"] == pytest.approx(100 * (1 + 0 + 1) / 3)
    assert result["kept.add"] == result["kept.turn-2"] == 50 and result["kept.turn-3"] == 100
    assert result["satisfaction.turn-2"] == 50 and result["satisfaction.turn-3"] == 0
    assert "satisfaction.turn-1" not in result and "kept.turn-1" not in result
    assert result["kept-reference.add"] == pytest.approx(100 * (1 + 3 / 4) / 2)
    assert result["chrf2.turn-1"] == pytest.approx(100)
    assert result["chrf2.turn-2"] < 100
    sizes = {m.metric: len(m.statistics) for m in found}
    assert sizes["satisfaction"] == 2 and sizes["bleu.turn-3"] == 1


def test_earlier_answers_are_the_systems_own() -> None:
    given = answers(
        [["one two three four", "one two three"]], [["x", "y"]], [{"demands": [FIRST, SHORT]}]
    )
    assert values(interactive.measure(given, Options()))["satisfaction"] == 100


def test_wrong_number_of_turns_is_refused() -> None:
    given = answers([["a", "b"]], [["a", "b"]], [{"demands": [FIRST]}])
    with pytest.raises(StudyError, match=r"de-en/1: 2 answers, 2 references, 1 demands"):
        interactive.measure(given, Options())
