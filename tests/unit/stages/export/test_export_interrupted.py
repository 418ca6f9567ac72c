"""Full disks and interruptions: nothing half written, no loss, the same bytes in the end."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from bayling_study.core import disk
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.stages.export import job
from helpers import ROOT
from helpers.export_models import change, export_tiny, refused, save_tiny

FORMATS = ["groupwise", "bitsandbytes", "gguf"]
WEIGHT = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def model(tmp_path):
    save_tiny(tmp_path / "model")
    return tmp_path / "model"


def scratch(model: Path) -> list[Path]:
    """The scratch folders beside the output."""
    return list(model.parent.glob(".out.*"))


def test_too_small_a_disk_is_refused_before_the_first_byte(model, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**6, 10**6 - 10, 10)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: usage)
    refused(model, "the export needs 0.07 GB, 0.00 GB are free")
    assert not scratch(model)


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_fills_up_leaves_nothing_behind(model, name, monkeypatch):
    real, written = job.tensor_bytes, []

    def full(tensor):
        written.append(tensor)
        if len(written) > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(tensor)

    monkeypatch.setattr(job, "tensor_bytes", full)
    refused(model, "disk is full", name)
    assert not scratch(model)
    monkeypatch.undo()
    second_equals_fresh(model, name)


def second_equals_fresh(model: Path, name: str = "groupwise") -> None:
    """Exports after an interruption and compares with an export that had none."""
    export_tiny(model, model.parent / "out", name)
    export_tiny(model, model.parent / "fresh", name)
    assert sha256_path(model.parent / "out") == sha256_path(model.parent / "fresh")
    assert not scratch(model)


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from bayling_study.stages.export import job
real, count = job.Progress.update, [0]
def update(self, nbytes):
    real(self, nbytes)
    count[0] += 1
    if count[0] == 9:
        os.kill(os.getpid(), signal.SIGKILL)
job.Progress.update = update
from helpers.export_models import export_tiny
export_tiny(Path({model!r}), Path({out!r}), {name!r})
"""


def kill_midway(model: Path, name: str) -> None:
    paths = [str(ROOT / "workflow"), str(ROOT / "tests")]
    code = KILLED.format(paths=paths, model=str(model), out=str(model.parent / "out"), name=name)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()


@pytest.mark.parametrize("name", ["groupwise", "gguf"])
def test_a_killed_export_leaves_nothing_half_done_and_starts_again(model, name):
    kill_midway(model, name)
    assert not (model.parent / "out").exists()
    [leftover] = scratch(model)
    assert sum(os.path.getsize(file) for file in leftover.iterdir()) > 10_000
    second_equals_fresh(model, name)


@pytest.mark.parametrize("name", ["groupwise", "gguf"])
def test_a_killed_export_leaves_an_earlier_one_alone(model, name):
    out = model.parent / "out"
    export_tiny(model, out, name)
    before = sha256_path(out)
    kill_midway(model, name)
    assert sha256_path(out) == before
    second_equals_fresh(model, name)


def test_a_failed_export_leaves_an_earlier_one_alone(model):
    out = model.parent / "out"
    export_tiny(model, out)
    before = sha256_path(out)
    change(model, lambda t: t[WEIGHT].fill_(float("nan")))
    with pytest.raises(StudyError, match=WEIGHT):
        export_tiny(model, out)
    assert sha256_path(out) == before
    assert not scratch(model)
