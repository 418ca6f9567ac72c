"""Interactive translation, turn by turn."""

from __future__ import annotations

from typing import Any

import pytest

from bayling_study.config.suites import InteractiveSuite
from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import interactive
from bayling_study.shared.metrics.measurement import Options
from bayling_study.shared.metrics.resampling import Resampling, wilson
from bayling_study.stages.scoring.results import score_suite
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
    assert result["satisfaction.follow-up"] == result["satisfaction"]
    assert {m.metric: m.n for m in found}["satisfaction.add"] == 2
    assert {m.metric: m.n for m in found}["satisfaction"] == 3
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


SOURCE = "Die Einstellungen wurden erfolgreich gespeichert und werden sofort angewendet"
RIGHT = "The settings were saved successfully and are applied immediately"
OPENING: dict[str, Any] = {
    "kind": "translate",
    "checks": [{"type": "script", "script": "Latn"}],
    "target": "en",
}


@pytest.mark.parametrize(
    ("answer", "source", "reference", "met"),
    [
        (RIGHT, SOURCE, RIGHT, 100),
        (SOURCE, SOURCE, RIGHT, 0),  # a copy
        ("Los ajustes se guardaron correctamente y se aplican de inmediato", SOURCE, RIGHT, 0),
        ("Speichern", "Speichern", "Save", 0),  # short copies count as well
        ("Save", "Speichern", "Save", 100),
        ("Home Assistant", "Home Assistant", "Home Assistant", 100),  # a name stays
        ("", SOURCE, RIGHT, 0),
    ],
)
def test_an_opening_is_met_in_its_language_only(
    answer: str, source: str, reference: str, met: float
) -> None:
    meta = {"demands": [OPENING], "source_text": source}
    found = values(interactive.measure(answers([[answer]], [[reference]], [meta]), Options()))
    assert found["satisfaction"] == met
    assert "satisfaction.follow-up" not in found


def test_rates_of_demands_have_wilson_intervals_and_count_demands() -> None:
    given = answers([["a", "b"]] * 5, [["a", "old"]] * 5, [{"demands": [FIRST, ADD]}] * 5)
    rate = next(m for m in interactive.measure(given, Options()) if m.metric.endswith("follow-up"))
    assert (rate.value, rate.n) == (0, 5)
    assert wilson(rate, 0.95) == pytest.approx((0, 43.448), abs=1e-3)  # z²/(n+z²)


def test_score_files_give_the_demands_and_the_kind_of_interval() -> None:
    given = answers([["a", "b"]] * 5, [["a", "old"]] * 5, [{"demands": [FIRST, ADD]}] * 5)
    suite = InteractiveSuite(kind="interactive", directions=["de-en"], conversations=5)
    scores, _ = score_suite([given], suite, Options(), Resampling(100, 0.95, 1), {})
    found = next(score for score in scores if score.metric == "satisfaction.follow-up")
    assert found.n == 5 and found.low == 0
    assert found.high == pytest.approx(43.448, abs=1e-3)
    assert found.method == "Wilson score, judgements as independent, 95 %"
    assert next(s for s in scores if s.metric == "kept").method.startswith("percentile bootstrap")
