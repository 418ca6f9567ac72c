"""What Grid Engine's plugin is told, and the shell that starts each job there."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from bayling_study.dag.profiles import read_profile
from helpers import ROOT

PROFILE = ROOT / "config" / "profiles" / "sge"
LISTENS = """
import signal, sys, time
def told(number, frame):
    print("told", number, flush=True)
    sys.exit(7)
signal.signal(signal.SIGUSR1, told)
print("up", flush=True)
time.sleep(60)
"""


def test_the_slots_are_the_threads():
    """The plugin reads a resource `threads`; the profile evaluates it from set-threads."""
    resources = read_profile(PROFILE)._read["defaults"]
    given = {"wildcards": None, "input": [], "rulename": "", "async_run": None, "attempt": 1}
    assert resources["threads"].evaluate(**given, threads=32).value == 32
    assert resources["sge_export_env"].evaluate(**given, threads=1).value is True


@pytest.fixture
def started(tmp_path):
    """A job's script started with the profile's shell, in a process group of its own."""
    (tmp_path / "program.py").write_text(LISTENS)
    (tmp_path / "script").write_text(
        f"trap '' TERM\n/usr/bin/env python3 {tmp_path}/program.py; exit $?\n"
    )
    with open(tmp_path / "out", "wb") as out:
        process = subprocess.Popen(
            ["/bin/bash", str(PROFILE / "job.sh"), str(tmp_path / "script")],
            stdout=out,
            start_new_session=True,
        )
    until(lambda: "up" in (tmp_path / "out").read_text())
    yield process, tmp_path / "out"
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def until(true) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_before_it_is_killed_or_suspended_a_training_is_asked_to_save(started, number):
    process, out = started
    os.killpg(process.pid, number)
    assert process.wait(60) == 7
    assert Path(out).read_text() == f"up\ntold {signal.SIGUSR1.value}\n"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)])
def test_a_jobs_status_is_that_of_its_script(tmp_path, script, status):
    (tmp_path / "script").write_text(script)
    done = subprocess.run(["/bin/bash", str(PROFILE / "job.sh"), str(tmp_path / "script")])
    assert done.returncode == status
