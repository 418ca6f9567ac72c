"""A disk that is full or cannot be written, and a clock that jumps."""

import pytest

from helpers.sandbox import STAGES, Sandbox
from helpers.strikes import lay_over

pytestmark = pytest.mark.long


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


JUMPS = {"back an hour": "clock", "ahead a day": "ahead"}


@pytest.mark.fault("the clock goes {jump} during {stage}")
@pytest.mark.parametrize("stage", ["tuning", "generation", "comet"])
@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_changes_nothing(reference, sandbox, shim, stage, jump):
    target = sandbox.drop(stage)
    strike = sandbox.strike(stage, *lay_over(shim, JUMPS[jump], sandbox))
    status, output = sandbox.run(target, **strike)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)
