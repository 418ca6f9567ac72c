"""Runs of the tuning stage, as forks or fresh programs, and what they left; strikes at them."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from helpers.programs import Program, run_training, start_training
from helpers.training import Stage

Process = Program | subprocess.Popen[bytes]
PATIENCE = 300.0
"""Seconds; for programs to end or to come to a step, on a machine that does more than this."""


def run(stage: Stage, status: int = 0, fresh: bool = False) -> str:
    """Runs a stage to its end, as a ``fresh`` program or as a fork; returns what it said."""
    done = run_training(stage.command, stage.environment, fresh=fresh)
    assert done.returncode == status, done.stderr
    return done.stderr


def start(stage: Stage, fresh: bool = False) -> Process:
    with open(stage.folder / "log", "ab") as log:
        return start_training(stage.command, stage.environment, log, fresh)


def record(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stage.record.read_text())
    return found


def losses(stage: Stage) -> list[float]:
    return [point["values"]["loss"] for point in record(stage)["history"]]


def weights(stage: Stage) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(stage.out / "model.safetensors")
    return found


def events(stage: Stage) -> list[dict[str, Any]]:
    found = list(stage.checkpoints.glob("*/events.jsonl"))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


def reached(stage: Stage, step: int, attempt: int) -> bool:
    """Tells whether the numbered attempt, not an earlier one, has done a step."""
    starts = 0
    for event in events(stage):
        starts += event["event"] == "started"
        if starts >= attempt and event["event"] == "step" and event["step"] >= step:
            return True
    return False


def wait_for_step(stage: Stage, step: int, process: Process, attempt: int = 1) -> None:
    limit = time.monotonic() + PATIENCE
    while not reached(stage, step, attempt):
        assert process.poll() is None, (stage.folder / "log").read_text()
        assert time.monotonic() < limit
        time.sleep(0.05)


def workers(stage: Stage) -> list[int]:
    """Process ids of the stage's training processes."""
    return processes_with(stage, b"bayling_study.stages.tuning.worker", b"-u")


def launchers(stage: Stage) -> list[int]:
    """Process ids of torch's launcher."""
    return processes_with(stage, b"torch.distributed.run")


def processes_with(stage: Stage, *wanted: bytes) -> list[int]:
    """Process ids of those of the stage whose command lines have all these words."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            inside = any(word.startswith(str(stage.checkpoints).encode()) for word in words)
            if inside and set(wanted) <= set(words):
                found.append(int(entry.name))
    return sorted(found)
