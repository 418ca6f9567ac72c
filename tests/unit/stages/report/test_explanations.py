"""What metrics are called and mean: one table, which covers every measure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bayling_study.shared.metrics import measures
from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.metrics import explain, metrics_section, title_of
from helpers import report_study


@pytest.mark.parametrize("measure", measures.MEASURES)
def test_every_measure_is_explained(measure: str) -> None:
    name = measure.replace("*", "other")
    assert title_of(name) != name
    assert re.fullmatch(r".+\. .{20,}\. .+ is better; .+\.", explain(name))


@pytest.mark.parametrize(
    ("metric", "title"),
    [
        ("chrf2", "chrF2"),
        ("comet-embedded", "COMET of this study"),
        ("comet-embedded.turn-2", "COMET of this study, turn-2"),
        ("comet-xl", "COMET, other model"),
        ("satisfaction.follow-up", "follow-up demands met (%)"),
        ("satisfaction.quotes", "demands met (%), quotes"),
        ("bleu.turn-2", "BLEU, turn-2"),
    ],
)
def test_a_part_is_called_after_the_whole(metric: str, title: str) -> None:
    assert title_of(metric) == title


def test_a_measure_without_an_explanation_keeps_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(measures.MEASURES, "ter", measures.Measure("lower", "from 0", True))
    assert title_of("ter") == "ter"
    assert explain("ter") == "ter. Lower is better; from 0."


def test_parts_with_one_meaning_have_one_row() -> None:
    metrics = ["satisfaction.follow-up", "satisfaction.quotes", "satisfaction.turn-2", "chrf2"]
    (table,) = metrics_section(metrics).tables
    assert [row[0].text for row in table.rows] == [
        "satisfaction.follow-up",
        "satisfaction",
        "chrf2",
    ]
    assert metrics_section([]).empty


def test_heads_explain_and_the_page_has_the_table(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    sections = write_report(study, tmp_path / "report")
    assert [row[0].text for row in sections[-1].tables[0].rows] == ["chrf2", "satisfaction"]
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert page.count(f'title="{explain("chrf2")}"') >= 2  # the group's head, the table's title
    assert "q_table" not in page
