"""A disk that is full or cannot be written, and a clock that goes back."""

from pathlib import Path

import pytest

from helpers.sandbox import STAGES, Sandbox

pytestmark = pytest.mark.long


def lay_over(shim: Path, fault: str, sandbox: Sandbox) -> list[str]:
    """Returns the lines that lay a machine's fault over a job; records and logs are spared."""
    root, study = sandbox.root, sandbox.study
    return [
        f"export SHIM_FAULT={fault} SHIM_UNDER='{root}' SHIM_BYTES=64",
        f"export SHIM_LOGS='{study}/logs' SHIM_RECORDS='{study}/runs'",
        f"export LD_PRELOAD='{shim}'",
    ]


def fails_in_one_line(sandbox: Sandbox, stage: str, text: str) -> None:
    log = sandbox.log(stage)
    assert text in log, log[-2000:]
    assert "Traceback" not in log, log[-4000:]


@pytest.mark.fault("full disk while {stage} writes")
@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_stops_a_stage_and_leaves_no_half_file(reference, sandbox, shim, stage):
    target = sandbox.drop(stage)
    strike = sandbox.strike(stage, *lay_over(shim, "full", sandbox))
    status, output = sandbox.run(target, **strike)
    assert status != 0, output[-3000:]
    fails_in_one_line(sandbox, stage, "No space left on device")
    assert not (sandbox.root / target).exists()
    assert sandbox.unfinished_files() == []
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("read-only folder while {stage} writes")
@pytest.mark.parametrize("stage", ["corpora", "generation", "report"])
def test_a_read_only_folder_is_named(reference, sandbox, shim, stage):
    target = sandbox.drop(stage)
    strike = sandbox.strike(stage, *lay_over(shim, "readonly", sandbox))
    status, _ = sandbox.run(target, **strike)
    assert status != 0
    fails_in_one_line(sandbox, stage, "Read-only file system")
    assert sandbox.run(target)[0] == 0
    assert sandbox.hash(target) == reference.hash(target)


@pytest.mark.fault("the clock goes back an hour during {stage}")
@pytest.mark.parametrize("stage", ["tuning", "generation"])
def test_a_clock_that_goes_back_changes_nothing(reference, sandbox, shim, stage):
    target = sandbox.drop(stage)
    strike = sandbox.strike(stage, *lay_over(shim, "clock", sandbox))
    status, output = sandbox.run(target, **strike)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)
