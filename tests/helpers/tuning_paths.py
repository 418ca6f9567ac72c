"""Ways through the tuning stage that CPU and GPU tests both take; the device is the machine's.

The stage takes a GPU where there is one, so the same functions run DeepSpeed with gloo on
cores and with NCCL on cards.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from bayling_study.core.cli import EXIT_INTERRUPTED
from bayling_study.shared import templates
from bayling_study.stages.tuning.attention import Attention
from bayling_study.stages.tuning.sequences import Tokenised, build_sequence, sequence_logits
from helpers.programs import run_training
from helpers.training import (
    Stage,
    chatml_tokenizer,
    conversations,
    write_instructions,
    write_wide_foundation,
)

STEPS = 4
SECONDS = 1200.0
"""For a whole run: the first one with offload compiles DeepSpeed's AdamW for minutes."""


def prepared(folder: Path, processes: int = 1, **tuning: Any) -> Stage:
    """A stage of four steps on the wide foundation, whose heads of 16 every kernel takes."""
    if not (folder / "foundation").exists():
        write_wide_foundation(folder / "foundation")
        write_instructions(folder / "synthesis")
    return Stage(folder, processes, **{"max_steps": STEPS, **tuning})


def run(stage: Stage, status: int = 0) -> str:
    """Runs a stage to its end; returns what it said."""
    done = run_training(stage.command, stage.environment, SECONDS)
    assert done.returncode == status, done.stderr
    return done.stderr


def losses(stage: Stage) -> list[float]:
    """The loss of each step, over all attempts."""
    found = json.loads(stage.record.read_text())["history"]
    return [point["values"]["loss"] for point in found]


def weights(stage: Stage) -> dict[str, torch.Tensor]:
    """The weights of the result."""
    found: dict[str, torch.Tensor] = load_file(stage.out / "model.safetensors")
    return found


def whole_and_interrupted(folder: Path, processes: int = 1, **tuning: Any) -> tuple[Stage, Stage]:
    """The same training at one go, and stopped after its first step and gone on with."""
    whole = prepared(folder / "whole", processes, **tuning)
    run(whole)
    run(prepared(folder / "broken", processes, budget_minutes=1e-6, **tuning), EXIT_INTERRUPTED)
    broken = prepared(folder / "broken", processes, **tuning)
    assert list(broken.checkpoints.glob("*/step-*")) and not broken.out.exists()
    run(broken)
    assert len(losses(broken)) == STEPS
    return whole, broken


def differences(one: Stage, two: Stage) -> tuple[float, float]:
    """The largest difference of two runs' losses, and of their weights."""
    first, second = weights(one), weights(two)
    assert set(first) == set(second)
    apart = max((first[name] - second[name]).abs().max().item() for name in first)
    pairs = zip(losses(one), losses(two), strict=True)
    return max(abs(left - right) for left, right in pairs), apart


def check_merged(stage: Stage) -> None:
    """Checks that a QLoRA run left an ordinary checkpoint, changed where adapters were."""
    result = weights(stage)
    base = load_file(stage.folder / "foundation" / "model.safetensors")
    assert set(result) == set(base)
    changed = {name for name in base if not torch.equal(base[name], result[name])}
    assert changed == {name for name in base if "_proj" in name}
    model = AutoModelForCausalLM.from_pretrained(stage.out)
    assert not hasattr(model.config, "quantization_config")
    assert model(input_ids=torch.arange(3, 20)[None]).logits.isfinite().all()


def packed_and_alone(
    model: torch.nn.Module, attention: Attention
) -> tuple[torch.Tensor, torch.Tensor]:
    """The logits of four conversations in one sequence, and of each in a sequence of its own."""
    tokenizer = chatml_tokenizer()
    pairs = [templates.encode(tokenizer, "foundation", row["messages"]) for row in conversations(4)]
    parts: list[Tokenised] = [
        (np.asarray(ids, np.int32), np.asarray(mask, bool)) for ids, mask in pairs
    ]
    packed = _logits(model, parts, attention)
    alone = [_logits(model, [part], attention) for part in parts]
    return packed, torch.cat(alone)


def _logits(model: torch.nn.Module, parts: list[Tokenised], attention: Attention) -> torch.Tensor:
    device = next(model.parameters()).device
    packed = build_sequence(parts, device)
    places = torch.arange(sum(len(ids) for ids, _ in parts), device=device)
    with torch.no_grad():
        return sequence_logits(model, packed, attention, places).float()
