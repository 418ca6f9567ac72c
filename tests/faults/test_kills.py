"""Jobs and workflows that are killed, stopped or started twice, at any moment."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from bayling_study.core.files import read_json
from helpers.sandbox import STAGES, S, Sandbox, job_of
from helpers.strikes import slow_steps, wait_for_checkpoint

pytestmark = pytest.mark.long
STRIKES = 30
STOPPED = ("comet", "generation", "synthesis", "tuning")


def same_as(reference: Sandbox, sandbox: Sandbox) -> None:
    """Asserts that every artefact has the bytes of the undisturbed study."""
    for stage in STAGES:
        ours, theirs = sandbox.target(stage), reference.target(stage)
        assert sandbox.hash(ours) == reference.hash(theirs), stage


def jobs_below(workflow: subprocess.Popen[str]) -> list[psutil.Process]:
    """Returns the processes of the jobs that a workflow has started."""
    try:
        found = psutil.Process(workflow.pid).children(recursive=True)
        return [process for process in found if "--record" in process.cmdline()]
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


@pytest.mark.fault(
    "kill -9 of a random job or the workflow, 30 times in a row, from an empty folder"
)
@pytest.mark.timeout(2700)
def test_thirty_kills_in_a_row_change_no_byte(reference, tmp_path):
    sandbox = Sandbox.make(tmp_path / "study", slow_checkpoints)
    rng = random.Random(20230619)
    struck: list[str] = []
    while len(struck) < STRIKES:
        workflow = sandbox.start("--keep-going")
        wait_for_jobs(workflow)  # a busy machine takes its time to start one
        time.sleep(rng.uniform(0.0, 8.0))
        if workflow.poll() is not None:  # all is made: from an empty folder again
            output, _ = workflow.communicate()
            assert workflow.returncode == 0, output[-5000:]
            shutil.rmtree(sandbox.study)
            continue
        jobs = jobs_below(workflow)
        if jobs and rng.random() < 0.5:
            victim = rng.choice(jobs)
            struck.append(stage_of(victim))
            victim.kill()
            time.sleep(0.5)
        else:
            struck.append("workflow")
        workflow.kill()
        workflow.communicate()
    print("struck:", ", ".join(struck))
    hit = {name for name in struck if name.startswith("bayling_study.")}
    assert len(hit) >= 2, struck
    status, output = sandbox.run()
    assert status == 0, output[-5000:]
    same_as(reference, sandbox)
    for record in (sandbox.study / "runs").glob("*/*.json"):
        assert read_json(record)["state"] == "finished", record


def wait_for_jobs(workflow: subprocess.Popen[str]) -> None:
    """Waits until a workflow has started a job, or ended."""
    end = time.monotonic() + 240
    while workflow.poll() is None and not jobs_below(workflow):
        assert time.monotonic() < end, "no job"
        time.sleep(0.1)


def slow_checkpoints(config: dict) -> None:
    config["tuning"]["checkpoint_minutes"] = 0.0001


def stage_of(process: psutil.Process) -> str:
    try:
        return next(word for word in process.cmdline() if word.startswith("bayling_study."))
    except (psutil.NoSuchProcess, StopIteration):
        return "a job that had just ended"


@pytest.mark.fault("{name} to the workflow while {stage} runs")
@pytest.mark.parametrize("stage", STOPPED)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_stopped_workflow_goes_on(reference, sandbox, stage, name):
    target = sandbox.drop(stage)
    workflow = sandbox.start(target)
    job_of(workflow, STAGES[stage].module)
    workflow.send_signal(signal.Signals[name])
    workflow.communicate(timeout=300)
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("SIGTERM to the training job itself")
def test_a_training_job_that_is_told_to_stop_saves_and_goes_on(reference, sandbox):
    target = sandbox.drop("tuning")
    workflow = sandbox.start(target, **slow_steps())
    job = job_of(workflow, STAGES["tuning"].module)
    wait_for_checkpoint(sandbox)
    job.terminate()
    job.wait(timeout=300)
    record = read_json(sandbox.study / "runs" / "tuning" / "tuned.json")
    workflow.communicate(timeout=600)
    assert record["state"] == "interrupted"
    if workflow.returncode != 0:  # the retries were used up: a new run goes on
        assert sandbox.run(target)[0] == 0
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("two workflows started on one folder")
def test_a_second_workflow_is_refused(reference, sandbox):
    target = sandbox.drop("synthesis")
    first = sandbox.start(target)
    wait_for_lock(sandbox)
    status, output = sandbox.run(target)
    assert status == 2
    assert "another run of this study is in progress" in output
    assert first.wait(timeout=300) == 0
    assert sandbox.hash(target) == reference.hash(target)


def wait_for_lock(sandbox: Sandbox) -> None:
    lock = Path(sandbox.root, S, ".lock")
    end = time.monotonic() + 240
    while time.monotonic() < end:
        if lock.exists() and lock.read_text(encoding="utf-8"):
            return
        time.sleep(0.05)
    raise TimeoutError("the first workflow took no lock")


@pytest.mark.fault("out of memory in {stage}")
@pytest.mark.parametrize("stage", ["tuning", "generation"])
def test_a_job_without_memory_fails_and_can_be_repeated(reference, sandbox, stage):
    target = sandbox.drop(stage)
    status, output = sandbox.run(target, **sandbox.strike(stage, "ulimit -v 900000"))
    assert status != 0, output[-3000:]
    assert not (sandbox.root / target).exists()
    assert sandbox.run(target)[0] == 0
    assert sandbox.hash(target) == reference.hash(target)
