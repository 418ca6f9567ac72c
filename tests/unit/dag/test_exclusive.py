"""One run of a study at a time, and what a killed run leaves is mended."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from bayling_study.core.errors import StudyError
from bayling_study.dag.exclusive import STARTED_BY, end_jobs, is_ours, mend, workflow_of
from helpers import ROOT

WORKFLOW = ROOT / "workflow"

JOB = "import sys, time\nprint('at work', flush=True)\ntime.sleep(600)\n"


BEGIN = """
import os, sys
from pathlib import Path
from bayling_study.core import cli
from bayling_study.dag.exclusive import begin

def main():
    begin(Path("results/one"), keep_locks=False)
    os.execvp(sys.argv[1], sys.argv[1:])

cli.run_program(main)
"""


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """Starts a command as a run of a study that begins as `make study` does."""
    program = [sys.executable, "-c", BEGIN]
    return subprocess.Popen(
        [*program, *command], cwd=folder, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(WORKFLOW)},
    )  # fmt: skip


STAGE = ("bayling_study.stages.corpora", "--record", "r.json")
WORKER = ("bayling_study.stages.tuning.worker", "results/one/work/tuning/tuned/1/job.json")


def stage_at_work(
    folder: Path, words: tuple[str, ...] = STAGE, started_by: Path | None = None
) -> subprocess.Popen[str]:
    """Returns a live process with the command line of a stage, of a folder's workflow or none."""
    command = [sys.executable, "-c", JOB, *words]
    marks = {STARTED_BY: workflow_of(started_by)} if started_by else {}
    process = subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, env={**os.environ, **marks},
    )  # fmt: skip
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
    job = stage_at_work(tmp_path, words, started_by=tmp_path)
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
    job = stage_at_work(other, started_by=other)
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


@pytest.fixture
def at_work():
    """Starts stages and ends those that the test leaves."""
    started: list[subprocess.Popen[str]] = []

    def start_one(folder: Path, **how: Any) -> subprocess.Popen[str]:
        started.append(stage_at_work(folder, **how))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.wait()


def test_a_stage_started_by_hand_is_left_alone_and_named(tmp_path, at_work):
    stale = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    stale.parent.mkdir(parents=True)
    stale.touch()
    left = at_work(tmp_path, started_by=tmp_path)
    by_hand = at_work(tmp_path)
    done = start(tmp_path, "echo", "ran")
    out, err = done.communicate(timeout=240)
    assert (done.returncode, out) == (2, "")
    assert err.startswith(f"error: {tmp_path}: stages that no workflow of yours started")
    assert f"at work: process {by_hand.pid}" in err
    assert f"kill {by_hand.pid}" in err
    assert [left.poll(), by_hand.poll(), stale.exists()] == [None, None, True]


def test_the_mark_of_another_clone_or_machine_proves_nothing(tmp_path, at_work, monkeypatch):
    other = at_work(tmp_path, started_by=tmp_path / "clone")
    with pytest.raises(StudyError, match=f"process {other.pid}"):
        mend(tmp_path)
    own = psutil.Process(at_work(tmp_path, started_by=tmp_path).pid)
    assert is_ours(own, tmp_path)
    monkeypatch.setattr("platform.node", lambda: "another-machine")
    assert not is_ours(own, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start another user's process")
def test_another_users_process_is_not_ended_for_its_mark(tmp_path):
    marks = {STARTED_BY: workflow_of(tmp_path)}
    theirs = subprocess.Popen(["/bin/sleep", "600"], cwd="/", env=marks, user=65534)
    ours = subprocess.Popen(["/bin/sleep", "600"], cwd="/", env=marks)
    for process in (theirs, ours):  # Linux shows no variables in the middle of exec
        while not psutil.Process(process.pid).environ():
            time.sleep(0.01)
    found = [is_ours(psutil.Process(process.pid), tmp_path) for process in (theirs, ours)]
    for process in (theirs, ours):
        process.kill()
        process.wait()
    assert found == [False, True]


def test_an_environment_that_cannot_be_read_proves_nothing(tmp_path, at_work, monkeypatch):
    job = at_work(tmp_path, started_by=tmp_path)

    def hidden(self: psutil.Process) -> dict[str, str]:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "environ", hidden)
    with pytest.raises(StudyError, match=f"process {job.pid}"):
        mend(tmp_path)
    assert job.poll() is None


def test_a_number_that_another_process_has_by_now_is_not_ended(tmp_path, at_work):
    job = at_work(tmp_path, started_by=tmp_path)
    recycled = psutil.Process(job.pid)
    recycled._create_time, recycled._ident = 1.0, (job.pid, 1.0)  # what ended had the same number
    end_jobs([recycled], grace=0.2)
    assert job.poll() is None
