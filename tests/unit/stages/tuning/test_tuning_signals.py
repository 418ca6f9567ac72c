"""Stop signals to every process of a training at once, and workers that outlive their launcher."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bayling_study.core.cli import EXIT_INTERRUPTED
from bayling_study.core.errors import StudyError
from bayling_study.stages.tuning import kept
from bayling_study.stages.tuning.__main__ import COMMAND_LINE, identify
from bayling_study.stages.tuning.launcher import EXTENSIONS, environment
from bayling_study.stages.tuning.processes import sole_writer
from helpers.programs import run_training, start_training
from helpers.training import Stage

HOLD = (
    "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
    "print('held', flush=True); sys.stdin.read()"
)


def events(stage: Stage) -> list[dict[str, Any]]:
    found = list(stage.checkpoints.glob("*/events.jsonl"))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "fresh"), [(signal.SIGTERM, True), (signal.SIGUSR1, False)])
def test_a_scheduler_signals_every_process_and_the_checkpoint_is_saved(
    tmp_path: Path, sent: signal.Signals, fresh: bool
) -> None:
    """SLURM signals all processes of a job's step: also torch's launcher and the workers."""
    stage = Stage(tmp_path, 2, epochs=400, checkpoint_minutes=60)
    with open(tmp_path / "log", "wb") as log:
        process = start_training(stage.command, stage.environment, log, fresh)
    while sum(event["event"] == "step" for event in events(stage)) < 3:
        assert process.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.05)
    everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    assert len(everyone) >= 4  # the program, torch's launcher, two workers
    for one in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):  # torch also starts short-lived helpers
            one.send_signal(sent)
    assert process.wait(120) == EXIT_INTERRUPTED, (tmp_path / "log").read_text()
    done = [event["step"] for event in events(stage) if event["event"] == "step"]
    assert [event["step"] for event in events(stage) if event["event"] == "saved"] == [max(done)]


def test_workers_of_a_killed_run_are_waited_for(tmp_path: Path) -> None:
    job: Any = SimpleNamespace(folder=tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StudyError, match="another training run"), sole_writer(job, patience=0):
            pass
        threading.Timer(0.5, other.stdin.close).start()
        with (
            sole_writer(job, patience=60),
            open(tmp_path / "lock") as own,
            pytest.raises(BlockingIOError),
        ):
            fcntl.flock(own, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_other_tokens_of_the_same_rows_are_another_training(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    tokens = tmp_path / "masks" / "tokens"
    (tokens / "mask.npy").write_bytes(b"one")
    options = COMMAND_LINE.parse_args(stage.command[3:])
    config: Any = SimpleNamespace(
        tuning=SimpleNamespace(model_dump=lambda **_: {}, alignment=None),
        study=SimpleNamespace(seed=1),
    )
    system: Any = SimpleNamespace(template="bayling")
    first = identify(config, system, options)
    assert identify(config, system, options) == first
    (tokens / "mask.npy").write_bytes(b"two")
    assert identify(config, system, options) != first


def test_the_launcher_is_shielded_from_stop_signals_alone() -> None:
    program = (
        "import signal, sys; from bayling_study.stages.tuning.launcher import shield; shield();"
        "print(*(int(signal.getsignal(n) == signal.SIG_IGN) for n in"
        " (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)))"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # nohup ignores it
    )
    assert done.stdout.split() == ["1", "1", "1", "0"], done.stderr


def test_what_is_compiled_stays_with_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    assert environment(1, tmp_path)["TORCH_EXTENSIONS_DIR"] == str(tmp_path / EXTENSIONS)
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", "/fast/disk")
    assert environment(1, tmp_path)["TORCH_EXTENSIONS_DIR"] == "/fast/disk"


@pytest.mark.slow
def test_the_lock_of_a_killed_compilation_is_removed(tmp_path: Path) -> None:
    stage = Stage(tmp_path, max_steps=1)
    run_training(stage.command, stage.environment).check_returncode()
    [folder] = stage.checkpoints.iterdir()
    lock = folder / EXTENSIONS / "cpu_adam" / "lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    shutil.rmtree(stage.out)
    shutil.rmtree(folder / kept.FOLDER)
    run_training(stage.command, stage.environment).check_returncode()
    assert not lock.exists()
