"""A training that has diverged is a failure, whatever its losses look like."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.cli import EXIT_USER_ERROR
from helpers.broken_weights import FAULTS, rewrite
from helpers.programs import run_training
from helpers.training import Stage


def failed(stage: Stage) -> tuple[str, dict[str, Any]]:
    """Runs a stage that must fail; returns what it said and its record."""
    done = run_training(stage.command, stage.environment)
    assert done.returncode == EXIT_USER_ERROR, done.stderr
    assert not stage.out.exists()
    record = json.loads(stage.record.read_text())
    assert record["state"] == "failed"
    return done.stderr, record


def test_ten_gradients_of_exactly_zero_end_the_training(tmp_path: Path) -> None:
    """Losses of 5.5, 8,930,918 and 2,237,960; from step 4 on those of a uniform guess."""
    text, record = failed(Stage(tmp_path, 1, learning_rate=1e3, epochs=8, max_steps=30))
    assert "the gradient is exactly 0 since step 4, at a loss of 5.576 in step 13" in text
    assert "fix: lower tuning.learning_rate" in text
    norms = [point["values"]["grad_norm"] for point in record["history"]]
    assert norms[2] > 0 and norms[3:] == [0.0] * 9
    assert record["metrics"]["uniform_loss"] == pytest.approx(math.log(264))


def test_a_gradient_of_exactly_zero_at_the_end_is_enough(tmp_path: Path) -> None:
    text, _ = failed(Stage(tmp_path, 1, learning_rate=1e3, max_steps=5))
    assert "the gradient is exactly 0 since step 4, at a loss of 5.576 in step 5" in text


def test_a_result_of_no_numbers_is_not_written(tmp_path: Path) -> None:
    """The only step's loss and gradient are fine; what they make of the weights is not."""
    text, _ = failed(Stage(tmp_path, 1, learning_rate=1e39, gradient_clip=1e9, max_steps=1))
    assert "tensors hold NaN or infinite values" in text
    assert text.endswith("  fix: lower tuning.learning_rate\n")


@pytest.mark.parametrize("zero_stage", [1, 3])
def test_a_foundation_that_is_not_whole_is_not_tuned(tmp_path: Path, zero_stage: int) -> None:
    change, message = FAULTS["a tensor is missing"]
    stage = Stage(tmp_path, 1, zero_stage=zero_stage, max_steps=2)
    rewrite(tmp_path / "foundation", change)
    text, record = failed(stage)
    assert f"the weights do not fit config.json; tensors {message}" in text
    assert record["history"] == []
