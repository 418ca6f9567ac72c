"""GPUs of one machine: no two jobs at a time hold the same card."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bayling_study import devices
from bayling_study.errors import StudyError

LISTING = """\
GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-aaaa0000-1111)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-bbbb0000-2222)
"""
JOB = """
import os, sys, time
folder, name = sys.argv[1:3]
held = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
for card in held:
    os.close(os.open(f"{folder}/{card}.busy", os.O_CREAT | os.O_EXCL))
open(f"{folder}/{name}.start", "w").write(str(time.time()))
time.sleep(float(sys.argv[3]))
for card in held:
    os.unlink(f"{folder}/{card}.busy")
open(f"{folder}/{name}.done", "w").write(",".join(held))
"""


def start(tmp_path, name, gpus, seconds=0.2, visible="0,1"):
    command = [sys.executable, "-m", "bayling_study.devices", "--locks", str(tmp_path / "locks")]
    job = [sys.executable, "-c", JOB, str(tmp_path), name, str(seconds)]
    environment = {
        "CUDA_VISIBLE_DEVICES": visible,
        "PYTHONPATH": str(Path(devices.__file__).parents[1]),
        "PATH": "/nowhere",
    }
    return subprocess.Popen([*command, "--gpus", gpus, "--", *job], env=environment)


def test_many_jobs_at_once_never_share_a_card(tmp_path):
    jobs = [start(tmp_path, f"job{number}", "1") for number in range(8)]
    assert [job.wait(30) for job in jobs] == [0] * 8  # a shared card fails on O_EXCL
    used = {path.read_text() for path in tmp_path.glob("*.done")}
    assert used == {"0", "1"}


def test_a_job_for_all_cards_waits_and_is_not_overtaken(tmp_path):
    jobs = [start(tmp_path, "first", "1", 1.0)]
    time.sleep(0.5)
    jobs.append(start(tmp_path, "all", "all"))
    time.sleep(0.5)
    jobs += [start(tmp_path, f"late{number}", "1") for number in range(2)]
    assert [job.wait(30) for job in jobs] == [0] * 4
    begin = {p.stem: float(p.read_text()) for p in tmp_path.glob("*.start")}
    assert begin["first"] < begin["all"] < min(begin["late0"], begin["late1"])
    assert (tmp_path / "all.done").read_text() == "0,1"


def test_a_killed_job_gives_its_card_back(tmp_path):
    killed = start(tmp_path, "killed", "2", 60)
    while not (tmp_path / "killed.start").exists():
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    for card in ("0", "1"):
        (tmp_path / f"{card}.busy").unlink()
    assert start(tmp_path, "next", "2").wait(30) == 0


def test_a_card_is_the_same_by_number_and_by_uuid(monkeypatch):
    monkeypatch.setattr(devices, "_listing", lambda: LISTING)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bbbb0000-2222,0")
    assert set(devices.cards().values()) == {"GPU-bbbb0000-2222", "GPU-aaaa0000-1111"}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert list(devices.cards()) == ["0", "1"]


@pytest.mark.parametrize("visible", ["", "-1"])
def test_hidden_cards_are_no_cards(monkeypatch, visible):
    monkeypatch.setattr(devices, "_listing", lambda: LISTING)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert devices.cards() == {}


@pytest.mark.parametrize(("wanted", "there", "taken"), [("all", 0, 0), ("1", 0, 0), ("all", 4, 4)])
def test_how_many(wanted, there, taken):
    assert devices.count(wanted, there) == taken


@pytest.mark.parametrize(("wanted", "there"), [("9", 2), ("many", 2), ("-1", 2)])
def test_more_cards_than_there_are_is_an_error(wanted, there):
    with pytest.raises(StudyError, match="--gpus"):
        devices.count(wanted, there)
