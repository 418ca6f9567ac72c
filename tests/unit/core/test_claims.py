"""One living job for one result: the lock, who holds it, and when it is gone."""

from __future__ import annotations

import errno
import fcntl
import logging
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bayling_study.core.claims import claimed
from bayling_study.core.errors import StudyError

HOLDER = """
import sys, time
from pathlib import Path
from bayling_study.core.claims import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds the claim of ``record.json``."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "record.json")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_living_holder_is_named(tmp_path, holder):
    with (
        pytest.raises(StudyError, match="at work already") as caught,
        claimed(tmp_path / "record.json"),
    ):
        pytest.fail("two jobs at once")
    assert f"process {holder.pid}" in caught.value.render()


def test_a_killed_holder_holds_nothing(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with claimed(tmp_path / "record.json"):
        pass


def test_other_results_are_free(tmp_path, holder):
    with claimed(tmp_path / "other.json"):
        pass


def test_a_file_system_without_locks_is_told_and_works(tmp_path, monkeypatch, caplog):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with caplog.at_level(logging.WARNING), claimed(tmp_path / "record.json"):
        pass
    assert "no locks on this file system" in caplog.text
