"""What tables say about their tests: how many segments two systems share, how many samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.files import read_json, write_json
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.overview import main_tables
from bayling_study.stages.report.results import metric_table
from helpers import report_study

SCORES = {"foundation": 80, "tuned": 100, "tuned-int8": 100}


def study_with(tmp_path: Path, **changes: Any) -> Study:
    """Returns a study whose foundation has 80 of 100 segments, with changed comparisons."""
    made = report_study.make(tmp_path / "study")
    path = made.folder / "significance" / "comparisons.json"
    stated = read_json(path)
    rows = [row | changes for row in stated["comparisons"]]
    write_json(path, {**stated, "comparisons": rows})
    return Study(made.folder, made.config)


def cells(study: Study, metric: str = "chrf2") -> dict[str, str]:
    scores = [
        report_study.score(system, metric, "zh-en", report_study.CHRF2[system], n=n)
        for system, n in SCORES.items()
    ]
    table = metric_table(study, "translation", metric, scores)
    return {name: cell.detail for name, cell in zip(table.columns, table.rows[0], strict=True)}


def test_fewer_shared_segments_are_shown(tmp_path: Path) -> None:
    shown = cells(study_with(tmp_path, n=80))
    assert shown["tuned"].endswith("; tested on 80 of 100 segments")
    assert "tested" not in shown["foundation"] and "tested" not in shown["tuned-int8"]


def test_all_segments_need_no_words(tmp_path: Path) -> None:
    assert "tested" not in " ".join(cells(study_with(tmp_path, n=100)).values())


@pytest.mark.parametrize(
    ("drawn", "words"), [([1100, 2800], "1,100 to 2,800"), ([900, 900], "900")]
)
def test_the_samples_that_were_drawn_are_shown(
    tmp_path: Path, drawn: list[int], words: str
) -> None:
    study = study_with(tmp_path)
    rows = study.comparisons["comparisons"]
    for row, samples in zip(rows, drawn, strict=True):
        row["samples"] = samples
    (table,) = main_tables(study, "translation")
    assert f"; {words} samples; Holm's correction over" in table.note
    assert (
        f"than foundation, by {words} samples."
        in metric_table(study, "translation", "chrf2", study.scores).note
    )


def test_a_suite_without_comparisons_says_so(tmp_path: Path) -> None:
    (table,) = main_tables(study_with(tmp_path, suite="other"), "translation")
    assert table.note.endswith("Nothing was compared.")


def test_the_baseline_is_the_one_that_was_tested(tmp_path: Path) -> None:
    study = study_with(tmp_path)
    study.comparisons["method"]["baseline"] = "tuned"
    assert study.baseline == "tuned" and study.significance.baseline == "tuned"
