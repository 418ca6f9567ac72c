"""Jobs and workflows that are killed, stopped or started twice, in each stage."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from bayling_study.core.files import read_json
from helpers.sandbox import STAGES, S, Sandbox, job_of
from helpers.strikes import lay_over, slow_steps, wait_for_checkpoint

pytestmark = pytest.mark.long
WRITING = [stage for stage in STAGES if stage != "foundation"]
"""Stages that write their results; a foundation in the hub's format is linked, file by file."""
STOPPED = ("comet", "generation", "synthesis", "tuning")


def same_as(reference: Sandbox, sandbox: Sandbox) -> None:
    """Asserts that every artefact has the bytes of the undisturbed study."""
    for stage in STAGES:
        ours, theirs = sandbox.target(stage), reference.target(stage)
        assert sandbox.hash(ours) == reference.hash(theirs), stage


@pytest.mark.fault("kill -9 of each stage in turn, from an empty folder")
@pytest.mark.timeout(2700)
def test_each_stage_killed_in_turn_changes_no_byte(reference, tmp_path, shim):
    """A stage is killed by its own first write, however slow the machine is."""
    sandbox = Sandbox.make(tmp_path / "study", slow_checkpoints)
    for stage, place in STAGES.items():
        strike = sandbox.strike(stage, *lay_over(shim, "kill", sandbox, 0))
        status, output = sandbox.run("--until", rule_of(stage), **strike)
        assert status != 0, (stage, output[-3000:])
        assert not list(sandbox.root.glob(place.target)), stage
    status, output = sandbox.run()
    assert status == 0, output[-5000:]
    same_as(reference, sandbox)
    for record in (sandbox.study / "runs").glob("*/*.json"):
        assert read_json(record)["state"] == "finished", record


def slow_checkpoints(config: dict) -> None:
    config["tuning"]["checkpoint_minutes"] = 0.0001


def rule_of(stage: str) -> str:
    return "comet_training" if stage == "comet" else stage


@pytest.mark.fault("kill -9 of {stage} when it has written half")
@pytest.mark.parametrize("stage", WRITING)
def test_a_stage_killed_while_it_writes_starts_again(reference, sandbox, shim, stage):
    target = sandbox.drop(stage)
    made = reference.root / target
    files = [path for path in made.rglob("*") if path.is_file()] if made.is_dir() else [made]
    half = sum(path.stat().st_size for path in files) // 2
    strike = sandbox.strike(stage, *lay_over(shim, "kill", sandbox, half))
    status, output = sandbox.run(target, **strike)
    assert status != 0, output[-3000:]
    assert not (sandbox.root / target).exists()
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("kill -9 of the workflow while {stage} runs")
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_workflow_goes_on(reference, sandbox, stage):
    target = sandbox.drop(stage)
    workflow = sandbox.start(target)
    job_of(workflow, STAGES[stage].module)
    workflow.kill()
    workflow.communicate()
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


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


@pytest.mark.fault("a second training job, for which Snakemake deleted the finished model")
def test_a_finished_model_is_handed_over_and_not_trained_again(reference, sandbox):
    target = f"{S}/tuning/tuned"
    events = next(sandbox.study.glob("work/tuning/tuned/*/events.jsonl"))
    trained = events.read_bytes()
    shutil.rmtree(sandbox.root / target)
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert "taken from there" in sandbox.log("tuning")
    assert sandbox.hash(target) == reference.hash(target)
    assert events.read_bytes() == trained
