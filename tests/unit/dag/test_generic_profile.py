"""The generic profile's commands, run as its plugin runs them, against programs that play SLURM."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from helpers import ROOT

PROFILE = ROOT / "config" / "profiles" / "generic"
SBATCH = """
for word; do
    case "$word" in --output=*) log=${word#--output=} ;; esac
done
echo "started" > "$(echo "$log" | sed s/%j/17/)" || exit 1
echo 17
"""
"""Opens the job's output file as SLURM does, but at once: SLURM's job would fail without it."""
UNKNOWN = "slurm_load_jobs error: Invalid job id specified"
BUSY = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
DISABLED = "Slurm accounting storage is disabled"
UNREACHABLE = "sacct: error: slurm_persist_conn_open: Something happened: Connection refused"

Program = Callable[..., None]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Writes a program that stands first on the search path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def write(name: str, text: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(stat.S_IRWXU)

    return write


def says(text: str, status: int = 0) -> str:
    """A program's answer: on its error stream where it fails, as SLURM's do."""
    return f"cat {'>&2' if status else ''} <<'END'\n{text}\nEND\nexit {status}"


def shown(state: str) -> str:
    return says(f"JobId=17 JobName=tuning\n   Priority=1\n   JobState={state} Reason=None\n   X=y")


def status(job: str = "17") -> str:
    """As the plugin asks: a shell line, whose answer must be one word and its status 0."""
    command = f"{PROFILE / 'status.sh'} '{job}'"
    return subprocess.check_output(command, shell=True, text=True).strip()


def test_a_job_can_be_submitted_from_a_fresh_checkout(tmp_path: Path, program: Program) -> None:
    program("sbatch", SBATCH)
    written = yaml.safe_load((PROFILE / "config.yaml").read_text())["cluster-generic-submit-cmd"]
    asked = SimpleNamespace(partition="gpu", mem_mb=4000, runtime=60, gpu=1)
    command = written.format(rule="tuning", resources=asked, threads=2)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for _ in range(2):  # and once more, when the folder is there
        answer = subprocess.check_output(f'{command} "job script.sh"', shell=True, cwd=fresh)
        assert answer.decode().split("\n")[0] == "17"
    assert (fresh / "results" / "logs" / "generic" / "17.log").read_text() == "started\n"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        *((name, "running") for name in ("PENDING", "RUNNING", "COMPLETING", "SUSPENDED")),
        *((name, "running") for name in ("REQUEUED", "REQUEUE_HOLD", "STAGE_OUT")),
        *((name, "failed") for name in ("FAILED", "OUT_OF_MEMORY", "TIMEOUT", "NODE_FAIL")),
        ("COMPLETED", "success"),
    ],
)
def test_the_controllers_word_counts(program: Program, state: str, expected: str) -> None:
    program("scontrol", shown(state))
    program("sacct", says("the controller knew", 1))
    assert status() == expected


@pytest.mark.parametrize("scontrol", [UNKNOWN, BUSY])
@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("COMPLETED", "success"),
        ("RUNNING", "running"),
        ("PENDING", "running"),
        ("OUT_OF_MEMORY", "failed"),
        ("CANCELLED by 1000", "failed"),
    ],
)
def test_what_the_controller_cannot_say_accounting_does(
    program: Program, scontrol: str, state: str, expected: str
) -> None:
    program("scontrol", says(scontrol, 1))
    program("sacct", says(state))
    assert status() == expected


@pytest.mark.parametrize(
    ("scontrol", "sacct", "expected"),
    [
        (BUSY, says(UNREACHABLE, 1), "running"),
        (BUSY, says(DISABLED, 1), "running"),
        (BUSY, "exit 0", "running"),
        ("", "exit 0", "running"),
        (UNKNOWN, says(UNREACHABLE, 1), "running"),
        # Nobody knows it, and nobody will: it runs no more, and Snakemake must not wait for ever.
        (UNKNOWN, says(DISABLED, 1), "failed"),
        (UNKNOWN, "exit 0", "failed"),
        (UNKNOWN, "exit 127", "failed"),
    ],
)
def test_a_job_is_lost_only_where_that_is_known(
    program: Program, scontrol: str, sacct: str, expected: str
) -> None:
    program("scontrol", says(scontrol, 1))
    program("sacct", sacct)
    assert status() == expected


def test_the_clusters_name_behind_a_number_is_no_part_of_it(program: Program) -> None:
    program("scontrol", f'test "$3" = 17 || exit 1\n{shown("RUNNING")}')
    program("sacct", "exit 1")
    assert status("17;big") == "running"
    program("scontrol", f'test "$3" = 17 || exit 1\n{shown("COMPLETED")}')
    assert status("17;big") == "success"
