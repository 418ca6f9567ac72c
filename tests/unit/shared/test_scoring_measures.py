"""Which way of a measure is better: stated for each, and nowhere guessed."""

from __future__ import annotations

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.records import Score
from bayling_study.shared.metrics import measures
from bayling_study.shared.metrics.measures import MEASURES, Measure, is_averaged, meaning
from bayling_study.stages.report.significance import Significance


def test_nothing_about_a_measure_has_a_default() -> None:
    assert Measure._fields and not Measure._field_defaults
    assert {row.better for row in MEASURES.values()} == {"higher", "lower", "neither"}
    assert all(row.scale for row in MEASURES.values())


@pytest.mark.parametrize(("better", "averaged"), [("", "yes"), ("high", "no"), ("lower", "")])
def test_a_row_that_leaves_something_open_is_refused(better: str, averaged: str) -> None:
    with pytest.raises(StudyError, match="x:2: it states no direction"):
        measures._stated("x:2", {"better": better, "scale": "0 to 1", "averaged": averaged})


@pytest.mark.parametrize("metric", ["ter", "ter.turn-1", "wer", "off-target-2", "loss-share"])
def test_an_unknown_measure_is_refused(metric: str) -> None:
    for asked in (meaning, is_averaged, lambda name: measures.is_better(name, 1, 2)):
        with pytest.raises(StudyError, match=r"not stated whether a higher .* is better"):
            asked(metric)


def test_only_what_is_stated_is_averaged() -> None:
    averaged = ["bleu", "bleu-char", "chrf2", "chrf++", "comet-embedded", "off-target", "accuracy"]
    assert all(map(is_averaged, averaged))
    assert not any(map(is_averaged, ["win", "mean.math", "bleu.turn-2", "satisfaction"]))


def marked(metric: str, ours: float, theirs: float) -> str:
    """The mark of a significant difference from the baseline."""
    row = {"suite": "s", "item": "i", "metric": metric, "system_a": "base", "system_b": "new"}
    row |= {"difference": theirs - ours, "low": 0.0, "high": 0.0, "significant": True}
    return Significance([row], "base").mark(Score("s", "i", "new", metric, ours, None, None, 9, ""))


def test_a_measure_of_errors_that_improves_is_better(monkeypatch: pytest.MonkeyPatch) -> None:
    """TER as a user adds it was marked worse where it fell."""
    monkeypatch.setitem(MEASURES, "ter", Measure("lower", "from 0", averaged=True))
    assert (marked("ter", 40, 60), marked("ter", 60, 40)) == ("▲", "▼")
    assert (marked("chrf2", 40, 60), marked("chrf2", 60, 40)) == ("▼", "▲")
    assert marked("mean-opponent.math", 5, 7) == "▲" and marked("tie", 5, 7) == ""
    assert is_averaged("ter")
