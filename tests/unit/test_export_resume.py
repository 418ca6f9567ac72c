"""Full disks and interruptions: nothing half written, no loss, the same bytes in the end."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.stages.export import job, journal
from export_models import change, export_tiny, refused, save_tiny

FORMATS = ["groupwise", "bitsandbytes", "gguf"]
WEIGHT = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture
def model(tmp_path):
    save_tiny(tmp_path / "model")
    return tmp_path / "model"


def test_too_small_a_disk_is_refused_before_the_first_byte(model, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**6, 10**6 - 10, 10)
    monkeypatch.setattr(journal.shutil, "disk_usage", lambda path: usage)
    refused(model, "needs 0.07 GB more")
    assert not list(model.parent.glob(".out.partial/*.safetensors"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_fills_up_keeps_what_is_finished(model, name, monkeypatch):
    real, calls = os.pwrite, []

    def full(descriptor, data, offset):
        calls.append(offset)
        if len(calls) > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr(journal.os, "pwrite", full)
    refused(model, "disk is full", name)
    monkeypatch.undo()
    resumed_equals_fresh(model, name)


def resumed_equals_fresh(model: Path, name: str = "groupwise") -> None:
    """Finishes an interrupted export and compares it with one in a single go."""
    done = (model.parent / ".out.partial" / "journal.jsonl").read_bytes().count(b"\n")
    assert done > 2
    encoded = []
    real = job.Progress.step
    job.Progress.step = lambda self, size: (encoded.append(size), real(self, size))[1]
    try:
        export_tiny(model, model.parent / "out", name)
    finally:
        job.Progress.step = real
    assert 0 < len(encoded) <= len(open_checkpoint(model).places) - done + 1
    export_tiny(model, model.parent / "fresh", name)
    assert sha256_path(model.parent / "out") == sha256_path(model.parent / "fresh")
    assert not (model.parent / ".out.partial").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from bayling_study.export import journal
real, count = journal.Journal.write, [0]
def write(self, task, encoded):
    real(self, task, encoded)
    count[0] += 1
    if count[0] == 9:
        self._rows.write(b'{{"source": "model.norm.weight", "sha'); self._rows.flush()
        os.kill(os.getpid(), signal.SIGKILL)
journal.Journal.write = write
from export_models import export_tiny
export_tiny(Path({model!r}), Path({out!r}), {name!r})
"""


def kill_midway(model: Path, name: str = "groupwise") -> None:
    root = Path(__file__).resolve().parents[2]
    paths = [str(root / "workflow"), str(root / "tests")]
    code = KILLED.format(paths=paths, model=str(model), out=str(model.parent / "out"), name=name)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()
    assert not (model.parent / "out").exists()


@pytest.mark.parametrize("name", ["groupwise", "gguf"])
def test_a_killed_export_goes_on_where_it_stopped(model, name):
    kill_midway(model, name)
    resumed_equals_fresh(model, name)


def test_damage_to_the_work_folder_is_found_and_repaired(model):
    kill_midway(model)
    [file] = (model.parent / ".out.partial").glob("*.safetensors")
    with open(file, "r+b") as stream:
        stream.seek(-4000, os.SEEK_END)
        stream.write(b"damage" * 100)
    export_tiny(model, model.parent / "out")
    export_tiny(model, model.parent / "fresh")
    assert sha256_path(model.parent / "out") == sha256_path(model.parent / "fresh")


@pytest.mark.parametrize("changed", ["input", "settings"])
def test_an_attempt_from_other_input_or_settings_is_dropped(model, changed):
    kill_midway(model)
    options = {}
    if changed == "input":
        change(model, lambda t: t[WEIGHT].mul_(2))
    else:
        options = {"group_size": 32}
    export_tiny(model, model.parent / "out", **options)
    export_tiny(model, model.parent / "fresh", **options)
    assert sha256_path(model.parent / "out") == sha256_path(model.parent / "fresh")


def test_a_failed_export_leaves_an_earlier_one_alone(model):
    out = model.parent / "out"
    export_tiny(model, out)
    before = sha256_path(out)
    change(model, lambda t: t[WEIGHT].fill_(float("nan")))
    with pytest.raises(StudyError, match=WEIGHT):
        export_tiny(model, out)
    assert sha256_path(out) == before


def test_two_exports_to_one_place_do_not_mix(model):
    work = model.parent / ".out.partial"
    work.mkdir()
    with open(work / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused(model, "another export")
