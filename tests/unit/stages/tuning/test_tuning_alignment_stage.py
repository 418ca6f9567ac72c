"""Training with an alignment loss as a program: what it changes, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from safetensors.torch import load_file

from helpers.programs import run_training
from helpers.training import Stage, conversations, write_foundation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ALIGNMENT = {"preset": "mid-align", "pairs_per_step": 4}


def trained(folder: Path, processes: int = 1, **tuning: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """Trains in a new folder; returns the run record and the weights."""
    write_foundation(folder / "foundation")
    (folder / "synthesis").mkdir()
    rows = [{**row, "languages": ["de", "en"]} for row in conversations(24)]
    parquet.write_table(pa.Table.from_pylist(rows), folder / "synthesis" / "train.parquet")
    (folder / "corpora").mkdir()
    pairs = [
        {"lang_a": "en", "lang_b": "de", "split": "train", "text_a": f"a {n} b", "text_b": f"d {n}"}
        for n in range(12)
    ]
    parquet.write_table(pa.Table.from_pylist(pairs), folder / "corpora" / "parallel.parquet")
    stage = Stage(folder, processes, epochs=2, **tuning)
    done = run_training(stage.command, stage.environment)
    assert done.returncode == 0, done.stderr
    return json.loads(stage.record.read_text()), load_file(stage.out / "model.safetensors")


def test_weight_0_trains_the_same_weights_and_measures(tmp_path: Path) -> None:
    for name in ("without", "zero", "aligned"):
        (tmp_path / name).mkdir()
    plain, without = trained(tmp_path / "without")
    measured, zero = trained(tmp_path / "zero", alignment={**ALIGNMENT, "weight": 0})
    record, aligned = trained(tmp_path / "aligned", alignment=ALIGNMENT)
    assert all(torch.equal(without[name], zero[name]) for name in without)
    assert not all(torch.equal(without[name], aligned[name]) for name in without)
    steps = [point["values"] for point in record["history"]]
    others = [point["values"]["alignment_loss"] for point in measured["history"]]
    assert sum(step["alignment_loss"] for step in steps[-4:]) < sum(others[-4:])
    assert "alignment_loss" not in plain["history"][0]["values"]
    assert plain["metrics"]["forward_passes"] == 48
    assert record["metrics"]["forward_passes"] == 48 + 2 * 4 * len(steps)
    assert record["metrics"]["alignment_tokens"] > 0
    assert record["metrics"]["alignment_pairs_taken"] == 12


@pytest.mark.parametrize("stage", [2, 3])
def test_stages_and_processes_give_the_same_losses(tmp_path: Path, stage: int) -> None:
    found = []
    for processes, zero_stage in ((1, 1), (2, stage)):
        folder = tmp_path / str(processes)
        folder.mkdir()
        record, _ = trained(folder, processes, zero_stage=zero_stage, alignment=ALIGNMENT)
        found.append([point["values"]["alignment_loss"] for point in record["history"]])
    assert found[0] == pytest.approx(found[1], rel=1e-3)
