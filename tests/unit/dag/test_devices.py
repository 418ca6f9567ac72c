"""GPUs of one machine: no two jobs at a time hold the same card."""

import fcntl
import subprocess
import sys
import time

import psutil
import pytest

from bayling_study.core.errors import StudyError
from bayling_study.dag import devices
from helpers import ROOT

LISTING = """\
GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-aaaa0000-1111)
GPU 1: NVIDIA A100-SXM4-80GB (UUID: GPU-bbbb0000-2222)
"""
JOB = """
import os, sys, time
folder, name, gate = sys.argv[1:4]
held = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
for card in held:
    os.close(os.open(f"{folder}/{card}.busy", os.O_CREAT | os.O_EXCL))
open(f"{folder}/{name}.new", "w").write(str(time.time()))
os.rename(f"{folder}/{name}.new", f"{folder}/{name}.start")
time.sleep(0.2)
end = time.monotonic() + 300
while gate and not os.path.exists(gate) and time.monotonic() < end:
    time.sleep(0.05)
for card in held:
    os.unlink(f"{folder}/{card}.busy")
open(f"{folder}/{name}.done", "w").write(",".join(held))
"""


def start(tmp_path, name, gpus, gate="", visible="0,1"):
    """Starts a job that holds its cards until the file ``gate`` appears."""
    command = [
        sys.executable,
        "-m",
        "bayling_study.dag.devices",
        "--locks",
        str(tmp_path / "locks"),
    ]
    job = [sys.executable, "-c", JOB, str(tmp_path), name, str(gate)]
    environment = {
        "CUDA_VISIBLE_DEVICES": visible,
        "PYTHONPATH": str(ROOT / "workflow"),
        "PATH": "/nowhere",
    }
    return subprocess.Popen([*command, "--gpus", gpus, "--", *job], env=environment)


def wait_for(condition):
    end = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def collects(tmp_path):
    """Tells whether some job is collecting cards now: it holds the queue."""
    with open(tmp_path / "locks" / "queue.lock") as queue:
        try:
            fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def queues(job):
    """Tells whether a job has come to the queue."""
    return any(file.path.endswith("queue.lock") for file in psutil.Process(job.pid).open_files())


def test_many_jobs_at_once_never_share_a_card(tmp_path):
    gate = tmp_path / "gate"
    jobs = [start(tmp_path, f"job{number}", "1", gate) for number in range(2)]
    wait_for(lambda: len(list(tmp_path.glob("*.start"))) == 2)  # both cards are held
    jobs += [start(tmp_path, f"job{number}", "1") for number in range(2, 8)]
    wait_for(lambda: all(queues(job) for job in jobs[2:]))
    gate.touch()
    assert [job.wait(240) for job in jobs] == [0] * 8  # a shared card fails on O_EXCL
    used = {path.read_text() for path in tmp_path.glob("*.done")}
    assert used == {"0", "1"}


def test_a_job_for_all_cards_waits_and_is_not_overtaken(tmp_path):
    gate = tmp_path / "gate"
    jobs = [start(tmp_path, "first", "1", gate)]
    wait_for((tmp_path / "first.start").exists)
    jobs.append(start(tmp_path, "all", "all"))
    wait_for(lambda: collects(tmp_path))
    jobs += [start(tmp_path, f"late{number}", "1") for number in range(2)]
    wait_for(lambda: all(queues(job) for job in jobs[2:]))
    gate.touch()
    assert [job.wait(240) for job in jobs] == [0] * 4
    begin = {p.stem: float(p.read_text()) for p in tmp_path.glob("*.start")}
    assert begin["first"] < begin["all"] < min(begin["late0"], begin["late1"])
    assert (tmp_path / "all.done").read_text() == "0,1"


def test_a_killed_job_gives_its_card_back(tmp_path):
    killed = start(tmp_path, "killed", "2", tmp_path / "never")
    wait_for((tmp_path / "killed.start").exists)
    killed.kill()
    killed.wait()
    for card in ("0", "1"):
        (tmp_path / f"{card}.busy").unlink()
    assert start(tmp_path, "next", "2").wait(240) == 0


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
