"""Page one warns of trainings whose loss did not fall or is that of a uniform guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.files import read_json, write_json
from bayling_study.stages.report.cautions import warning_table
from bayling_study.stages.report.collect import Study
from helpers import report_study

WHY = "it has probably diverged; lower tuning.learning_rate"


def warned(folder: Path, losses: list[float], **metrics: float) -> list[list[str]]:
    """Returns the warnings of a study whose training had these losses."""
    study: Study = report_study.make(folder / "study")
    path = study.folder / "runs/tuning/job.json"
    history: list[dict[str, Any]] = [
        {"step": step, "values": {"loss": loss}} for step, loss in enumerate(losses, 1)
    ]
    write_json(path, read_json(path) | {"history": history, "metrics": metrics})
    rows = [[cell.text for cell in row] for row in warning_table(study).rows]
    return [row for row in rows if "training ended at a loss" in row[0]]


def test_a_loss_that_fell_is_no_caution(tmp_path: Path) -> None:
    assert warned(tmp_path, [5.5, 4.0, 2.0], uniform_loss=5.576) == []


def test_a_loss_at_the_level_of_its_start_is_one(tmp_path: Path) -> None:
    what = "job: training ended at a loss of 2.100, not below the 2.000 of its start"
    assert warned(tmp_path, [2.0, 9.0, 2.1], uniform_loss=5.576) == [[what, WHY]]


def test_a_uniform_guess_is_one(tmp_path: Path) -> None:
    what = "job: training ended at a loss of 5.530; a uniform guess has 5.576"
    assert warned(tmp_path, [7.0, 6.0, 5.53], uniform_loss=5.576) == [[what, WHY]]
    assert warned(tmp_path / "lower", [7.0, 6.0, 5.51], uniform_loss=5.576) == []


@pytest.mark.parametrize(("last", "count"), [(1.0, 0), (3.2, 1)])
def test_tenths_of_the_curve_are_compared_and_not_single_steps(
    tmp_path: Path, last: float, count: int
) -> None:
    """The very first step is low and the very last high in both; their tenths decide."""
    losses = [0.5, *[3.0] * 50, *[last] * 48, 5.0]
    assert len(warned(tmp_path, losses)) == count


def test_one_step_has_nothing_to_fall_from_and_older_records_no_uniform_loss(
    tmp_path: Path,
) -> None:
    assert warned(tmp_path, [9.0]) == []
    assert warned(tmp_path / "none", []) == []
