"""Averages of several tuned systems, with their tests; and what is best of a row, if anything."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.model import StudyConfig
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Score, write_scores
from bayling_study.stages.report.ablations import ablation_section, sizes_of
from bayling_study.stages.report.blocks import Cell
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import headline, score_row
from bayling_study.stages.report.significance import mark_of
from helpers import report_study

SYSTEMS = {"foundation": 20.0, "tuned": 45.0, "small": 30.0}
SHAPE = {
    "num_attention_heads": 2, "hidden_size": 64, "num_hidden_layers": 2,
    "intermediate_size": 128, "vocab_size": 1000,
}  # fmt: skip


def average(system: str, value: float, metric: str = "chrf2", item: str = "average") -> Score:
    signature = f"mean of 2 items|{metric}|v:1"
    return Score(
        "translation", item, system, metric, value, value - 1, value + 1, 200, signature, "boot"
    )


def comparison(
    first: str, second: str, metric: str, low: float, high: float, item: str
) -> dict[str, Any]:
    return {
        "suite": "translation", "item": item, "metric": metric, "system_a": first,
        "system_b": second, "difference": (low + high) / 2, "low": low, "high": high,
        "p_adjusted": 0.002, "significant": low * high > 0, "n": 200, "samples": 100,
    }  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two tuned systems and their foundation, the baseline; averages of chrF, none of BLEU."""
    made = report_study.make(tmp_path / "study")
    values = made.config.model_dump(mode="json")
    values["systems"]["small"] = {**values["systems"]["tuned"], "mixture": "small"}
    for system, value in SYSTEMS.items():
        plain = report_study.score(system, "bleu", "zh-en", value / 2)
        rows = [report_study.score(system, "chrf2", "zh-en", value), plain]
        path = made.folder / "scoring" / system / "translation.json"
        write_scores(path, [*rows, average(system, value)])
    tests = [
        comparison("foundation", "tuned", "chrf2", -26.0, -24.0, "average"),
        comparison("small", "foundation", "chrf2", -1.0, 21.0, "average"),
    ]
    path = made.folder / "significance" / "comparisons.json"
    write_json(path, {**read_json(path), "comparisons": tests})
    return Study(made.folder, StudyConfig.model_validate(values))


def column(study: Study, name: str) -> dict[str, Cell]:
    """Returns a column of the table of tuned systems by system."""
    (table,) = ablation_section(study).tables
    return {row[0].text: row[table.columns.index(name)] for row in table.rows}


def test_averages_have_intervals_links_and_marks(study: Study) -> None:
    cells = column(study, "translation chrf2, average")
    assert {name: cell.text for name, cell in cells.items()} == {
        "tuned": "45.00 ▲",
        "small": "30.00",
    }
    assert cells["tuned"].detail == "44.00 to 46.00"
    assert cells["tuned"].link == "../scoring/tuned/translation.json"
    assert "boot" in cells["tuned"].hint.splitlines()


def test_a_value_says_what_the_tests_found_from_its_systems_side(study: Study) -> None:
    cells = column(study, "translation chrf2, average")
    found = {name: cell.hint.splitlines()[-1] for name, cell in cells.items()}
    assert found == {
        "tuned": "minus foundation: +25.00 (+24.00 to +26.00), p = 0.0020 after correction",
        "small": "minus foundation: +10.00 (-1.00 to +21.00), p = 0.0020 after correction",
    }


def test_the_plain_mean_stays_where_there_is_no_average(study: Study) -> None:
    assert column(study, "translation bleu")["small"].text == "15.00"
    (table,) = ablation_section(study).tables
    assert "translation chrf2" not in table.columns
    assert "plain means over items, not tested" in table.note


def test_a_plain_mean_stands_beside_an_average_that_a_system_lacks(study: Study) -> None:
    path = study.folder / "scoring" / "small" / "translation.json"
    write_scores(path, [report_study.score("small", "chrf2", "zh-en", 30.0)])
    study = Study(study.folder, study.config)
    assert column(study, "translation chrf2, average")["small"].text == "–"
    assert column(study, "translation chrf2")["small"].text == "30.00"


def test_averages_of_groups_are_left_to_the_suites_tables(study: Study) -> None:
    names = ["xx-en", "xx-en.low", "xx-en.Cyrl"]
    many = [average("tuned", 9.0, item=name) for name in names]
    write_scores(study.folder / "scoring" / "tuned" / "translation.json", many)
    (table,) = ablation_section(Study(study.folder, study.config)).tables
    shown = [name for name in table.columns if name.startswith("translation chrf2, ")]
    assert shown == ["translation chrf2, average", "translation chrf2, xx-en"]


def test_models_of_other_sizes_are_drawn_over_their_parameters(study: Study) -> None:
    assert sizes_of(study, ["tuned", "small"])[0] == "conversations of the training set"
    for name, layers in (("tuned", 20), ("small", 2)):
        shape = {**SHAPE, "num_hidden_layers": layers}
        write_json(study.folder / "tuning" / name / "config.json", shape)
    label, sizes = sizes_of(study, ["tuned", "small"])
    assert label == "parameters (millions)"
    assert sizes["small"] == pytest.approx(0.210, abs=0.001)
    (figure,) = ablation_section(study).figures
    assert label in re.findall(r"<text[^>]*>([^<]+)</text>", figure.svg)
    write_json(study.folder / "tuning" / "small" / "config.json", {"other": "kind"})
    assert sizes_of(study, ["tuned", "small"])[0] == "conversations of the training set"


def test_more_ties_are_neither_better_nor_worse(study: Study) -> None:
    path = study.folder / "significance" / "comparisons.json"
    test = comparison("foundation", "tuned", "tie", -26.0, -24.0, "average")
    write_json(path, {**read_json(path), "comparisons": [test]})
    study = Study(study.folder, study.config)
    rows = {name: average(name, value, "tie") for name, value in SYSTEMS.items()}
    cells = score_row(study, rows, SYSTEMS)
    assert [(cell.text, cell.strong) for cell in cells] == [
        ("20.00", False),
        ("45.00", False),
        ("30.00", False),
    ]
    assert test["significant"]
    assert mark_of(test, "tuned") == mark_of(test, "foundation") == ""


def test_the_smallest_mean_rank_is_the_best(study: Study) -> None:
    path = study.folder / "significance" / "comparisons.json"
    others = [name for name in SYSTEMS if name != "foundation"]
    tests = [comparison("foundation", name, "mean-rank", -9.0, -8.0, "average") for name in others]
    write_json(path, {**read_json(path), "comparisons": tests})
    study = Study(study.folder, study.config)
    rows = {name: average(name, value, "mean-rank") for name, value in SYSTEMS.items()}
    assert [cell.strong for cell in score_row(study, rows, SYSTEMS)] == [True, False, False]


def test_spbleu_is_a_headline() -> None:
    assert headline(["chrf++", "spbleu", "bleu"]) == ["bleu", "spbleu"]
