"""The tuning stage is struck while it runs: stop signals, kill -9, damage of its checkpoints.

A fresh start of Python with DeepSpeed takes fourteen processor seconds, so what is struck are
forks of a process with DeepSpeed. One training that is killed starts afresh, and so does the one
that it is compared with; a scheduler's signal comes to such a one in ``test_tuning_signals``.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
import torch

from bayling_study.core.cli import EXIT_INTERRUPTED, EXIT_USER_ERROR
from helpers import ROOT
from helpers.stage_runs import (
    PATIENCE,
    Process,
    events,
    launchers,
    losses,
    record,
    run,
    start,
    wait_for_step,
    weights,
    workers,
)
from helpers.training import Stage

pytestmark = [pytest.mark.slow, pytest.mark.first, pytest.mark.timeout(900)]
BRAKE = ROOT / "tests" / "helpers" / "brake"


@pytest.mark.timeout(2700)
def test_killed_at_ten_points_and_yet_bit_equal(tmp_path: Path) -> None:
    """Signals and kill -9 of any of the programs, wherever they hit; the first kill -9 of the stage
    program hits one that Python started.

    120 steps, and a brake for all but the first four of each attempt: programs need a second to
    notice a strike, in which a fast machine would do so many steps that the tenth found none left.
    """
    whole = Stage(tmp_path / "whole", 1, epochs=20, precision="bf16")
    run(whole, fresh=True)
    broken = Stage(tmp_path / "broken", 1, epochs=20, precision="bf16", checkpoint_minutes=1e-6)
    broken.environment["PYTHONPATH"] = f"{BRAKE}{os.pathsep}{broken.environment['PYTHONPATH']}"
    broken.environment["BRAKE_FREE"] = "4"
    draw = random.Random(11)
    saved = 0
    for number in range(10):
        process = start(broken, fresh=number == 4)
        wait_for_step(broken, saved + 1, process, attempt=number + 1)
        time.sleep(draw.uniform(0, 0.25))
        assert not broken.out.exists()
        strike(broken, process, number)
        process.wait(PATIENCE)
        saved = max((e["step"] for e in events(broken) if e["event"] == "saved"), default=0)
    run(Stage(tmp_path / "broken", 1, epochs=20, precision="bf16"))
    starts = [event["step"] for event in events(broken) if event["event"] == "started"]
    assert len(starts) == 11
    assert starts[0] == 0 < starts[-1]
    first, second = weights(whole), weights(broken)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert losses(broken) == losses(whole)
    print("steps at each start:", starts)


def strike(stage: Stage, process: Process, number: int) -> None:
    """SIGTERM, SIGUSR1, or kill -9 of the workers, of torch's launcher or of the stage program."""
    if number % 5 < 2:
        process.send_signal((signal.SIGTERM, signal.SIGUSR1)[number % 5])
        assert process.wait(PATIENCE) == EXIT_INTERRUPTED
        return
    if number % 5 == 4:
        process.kill()
    else:
        victims = workers(stage) if number % 5 == 2 else launchers(stage)
        assert victims
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        assert process.wait(PATIENCE) == EXIT_USER_ERROR
    limit = time.monotonic() + PATIENCE
    while workers(stage):  # they end by themselves when their launcher is gone
        assert time.monotonic() < limit
        time.sleep(0.1)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_asks_to_be_started_again(tmp_path: Path, sent: signal.Signals) -> None:
    stage = Stage(tmp_path, 2, epochs=200)
    process = start(stage)
    wait_for_step(stage, 3, process)
    process.send_signal(sent)
    assert process.wait(PATIENCE) == EXIT_INTERRUPTED
    assert not stage.out.exists()
    steps = [event["step"] for event in events(stage) if event["event"] == "step"]
    saved = [event["step"] for event in events(stage) if event["event"] == "saved"]
    assert saved == [max(steps)]
    assert record(stage)["state"] == "interrupted"
    assert not workers(stage)


def test_one_killed_process_ends_all_with_its_name(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 2, epochs=500)
    process = start(stage)
    wait_for_step(stage, 2, process)
    os.kill(workers(stage)[-1], signal.SIGKILL)
    # Torch alone would have the other wait for half an hour.
    assert process.wait(PATIENCE) == EXIT_USER_ERROR
    assert re.search(r"process \d was ended by SIGKILL", (stage.folder / "log").read_text())
    assert record(stage)["state"] == "failed"
    assert not workers(stage)


def test_a_damaged_checkpoint_is_set_aside_and_reported(tmp_path: Path) -> None:
    stage = Stage(tmp_path, 1, epochs=3, checkpoint_minutes=1e-6)
    process = start(stage)
    wait_for_step(stage, 4, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == EXIT_INTERRUPTED
    newest = sorted(stage.checkpoints.glob("*/step-*"))[-1]
    victim = next(newest.glob("states-*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:-10] + b"0123456789")
    text = run(stage)
    assert f"set aside as damaged-{newest.name}" in text
    starts = [event["step"] for event in events(stage) if event["event"] == "started"]
    assert starts[-1] == int(newest.name[-8:]) - 1
