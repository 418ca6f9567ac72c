"""The tuning stage with adapters and with a curriculum, as a program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.core.cli import EXIT_INTERRUPTED, EXIT_USER_ERROR
from bayling_study.shared import templates
from helpers.programs import run_training
from helpers.training import Stage, conversations, write_instructions, write_wide_foundation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
STEPS = 6


def prepared(folder: Path, processes: int = 1, **tuning: Any) -> Stage:
    """A stage on the wide foundation, whose matrices fit into blocks of four bits."""
    if not (folder / "foundation").exists():
        write_wide_foundation(folder / "foundation")
        write_instructions(folder / "synthesis")
    return Stage(folder, processes, epochs=1, **tuning)


def adapter(kind: str, **extra: Any) -> dict[str, Any]:
    return {"kind": kind, "rank": 4, "alpha": 16, **extra}


def run(stage: Stage, status: int = 0) -> str:
    done = run_training(stage.command, stage.environment)
    assert done.returncode == status, done.stderr
    return done.stderr


def record(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stage.record.read_text())
    return found


def losses(stage: Stage) -> list[float]:
    return [point["values"]["loss"] for point in record(stage)["history"]]


@pytest.mark.parametrize(
    ("kind", "zero_stage", "processes"), [("lora", 3, 2), ("qlora", 2, 1), ("qlora", 2, 2)]
)
def test_from_adapter_to_ordinary_checkpoint(
    tmp_path: Path, kind: str, zero_stage: int, processes: int
) -> None:
    stage = prepared(
        tmp_path, processes, adapter=adapter(kind), zero_stage=zero_stage, learning_rate=0.02
    )
    run(stage)
    found = losses(stage)
    assert len(found) == STEPS
    assert found[-1] < found[0]
    weights = load_file(stage.out / "model.safetensors")
    base = load_file(tmp_path / "foundation" / "model.safetensors")
    assert set(weights) == set(base)
    changed = {name for name in base if not torch.equal(base[name], weights[name])}
    assert changed == {name for name in base if "_proj" in name}
    model = AutoModelForCausalLM.from_pretrained(stage.out)
    tokenizer = AutoTokenizer.from_pretrained(stage.out)
    assert not hasattr(model.config, "quantization_config")
    ids = templates.prompt_ids(tokenizer, "bayling", [{"role": "user", "content": "Say 3"}])
    assert model.generate(torch.tensor([ids]), max_new_tokens=2).shape[1] > len(ids)
    card = (stage.out / "README.md").read_text()
    assert ("QLoRA (base in 4-bit" if kind == "qlora" else "LoRA, merged") in card
    assert record(stage)["parameters"]["tuning.adapter.rank"] == 4


def test_an_interrupted_adapter_run_ends_bit_equal(tmp_path: Path) -> None:
    """With dropout: random numbers of a step come from the seed, wherever a run begins."""
    choice = {"adapter": adapter("lora", dropout=0.1), "precision": "bf16"}
    whole = prepared(tmp_path / "whole", **choice)
    run(whole)
    broken = prepared(tmp_path / "broken", checkpoint_minutes=1e-6, **choice)
    attempts = 0
    while not broken.out.exists():
        attempts += 1
        budget = 1e-6 if attempts <= 3 else None
        prepared(tmp_path / "broken", checkpoint_minutes=1e-6, budget_minutes=budget, **choice)
        run(broken, EXIT_INTERRUPTED if attempts <= 3 else 0)
        for path in broken.checkpoints.glob("*/step-*"):
            held = sum(file.stat().st_size for file in path.rglob("*"))
            assert held < 200_000  # adapters and their moments, not the model
    assert attempts == 4
    assert losses(broken) == losses(whole)
    one, two = (load_file(stage.out / "model.safetensors") for stage in (whole, broken))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_an_adapter_that_does_not_fit_is_refused_before_the_start(tmp_path: Path) -> None:
    stage = prepared(tmp_path, adapter=adapter("lora", targets=["query"]))
    said = run(stage, EXIT_USER_ERROR)
    assert "no linear layers called query" in said
    assert not stage.checkpoints.exists()


def test_a_curriculum_orders_the_steps_and_is_recorded(tmp_path: Path) -> None:
    prepared(tmp_path)
    rows = [
        {**row, "direction": "en-de" if number % 2 else "de-en", "languages": ["de", "en"]}
        for number, row in enumerate(conversations(24))
    ]
    path = tmp_path / "synthesis" / "train.parquet"
    parquet.write_table(pa.Table.from_pylist(rows), path)
    phases = [{"until": 0.5, "non_english": 0.25}, {"until": 1.0, "non_english": 0.75}]
    curves = []
    for processes in (1, 2):
        stage = prepared(tmp_path, processes, curriculum=phases)
        run(stage)
        curves.append((losses(stage), record(stage)["parameters"]["data_order"]))
    facts = record(stage)["parameters"]
    assert facts["curriculum.phases"] == [
        {"conversations": 12, "non-English": 3, "English": 9},
        {"conversations": 12, "non-English": 9, "English": 3},
    ]
    assert facts["curriculum.uses_of_each.English"] == 1.0
    assert curves[0][0] == pytest.approx(curves[1][0], abs=1e-5)
    assert curves[0][1] == curves[1][1]
    run(prepared(tmp_path))
    assert record(stage)["parameters"]["data_order"] != curves[0][1]
