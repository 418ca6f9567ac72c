"""One run of a study at a time, and what a killed run leaves is mended."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers import ROOT

WORKFLOW = ROOT / "workflow"

JOB = "import sys, time\nprint('at work', flush=True)\ntime.sleep(600)\n"


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "bayling_study.dag.exclusive", "--study", "results/one", "--"]
    return subprocess.Popen(
        [*program, *command], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
    )  # fmt: skip


STAGE = ("bayling_study.stages.corpora", "--record", "r.json")
WORKER = ("bayling_study.stages.tuning.worker", "results/one/work/tuning/tuned/1/job.json")


def job_left_behind(folder: Path, words: tuple[str, ...] = STAGE) -> subprocess.Popen[str]:
    """Returns a live process with the command line of a stage program."""
    command = [sys.executable, "-c", JOB, *words]
    process = subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    return process


def test_a_second_run_is_refused_with_the_process_of_the_first(tmp_path):
    first = start(tmp_path, "sleep", "600")
    lock = tmp_path / "results" / "one" / ".lock"
    end = time.monotonic() + 240
    while not (lock.exists() and lock.read_text()):
        assert time.monotonic() < end, "the first run took no lock"
        time.sleep(0.05)
    second = start(tmp_path, "echo", "ran")
    out, err = second.communicate(timeout=240)
    assert second.returncode == 2
    assert out == ""
    assert f"another run of this study is in progress (process {first.pid})" in err
    first.kill()
    first.wait()
    out, _ = start(tmp_path, "echo", "ran").communicate(timeout=240)
    assert out == "ran\n"


@pytest.mark.parametrize("words", [STAGE, WORKER])
def test_jobs_and_lock_of_a_killed_run_are_removed(tmp_path, words):
    stale = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    stale.parent.mkdir(parents=True)
    stale.write_text("results/one/x\n")
    job = job_left_behind(tmp_path, words)
    done = start(tmp_path, "echo", "ran")
    out, err = done.communicate(timeout=240)
    assert (done.returncode, out) == (0, "ran\n")
    assert "left 1 processes running" in err
    assert not stale.exists()
    job.wait(timeout=240)
    assert not psutil.pid_exists(job.pid)


def test_jobs_of_other_folders_and_servers_are_left_alone(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    job = job_left_behind(other)
    server = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", "bayling_study.commands.serve"],
        cwd=tmp_path,
    )
    out, err = start(tmp_path, "echo", "ran").communicate(timeout=240)
    assert (out, err) == ("ran\n", "")
    assert job.poll() is None
    assert server.poll() is None
    for process in (job, server):
        process.kill()
        process.wait()
