"""What is done to the study on any cluster, and what must come of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from clusters.study import Run, Study
from clusters.table import Table
from clusters.tools import read, wait
from helpers import ROOT

EPOCHS = 24  # a training long enough to be disturbed three times
TRAINING = "bayling_study.stages.tuning"


@dataclass(frozen=True)
class PastJob:
    """A job that has ended: its rule, how it ended, what it had asked for, two Unix times."""

    rule: str
    end: str
    asked: str
    sent: float
    gone: float


class Pool(Protocol):
    """A scheduler with its nodes, started for the test."""

    name: str
    """Folder of its profile."""
    quick: dict[str, Any]
    """Keys of the profile that make waiting short."""
    short: dict[str, dict[str, Any]]
    """Rule to resources with which its job's first attempt cannot succeed."""
    retried: dict[str, str]
    """The same rules to a word in what ``history`` says of that attempt."""

    def start(self) -> None:
        """Returns when the nodes take jobs."""

    def running(self, rule: str) -> str:
        """Returns the number of a rule's job that runs; empty without one."""

    def strangers(self, folder: Path) -> list[str]:
        """Sends jobs of another study from this folder and of this study from another one."""

    def alive(self, number: str) -> bool:
        """Tells whether a job is in the queue."""

    def preempt(self, number: str) -> None:
        """Takes the node back from a running job, and frees it again."""

    def fail(self, number: str) -> None:
        """Pulls the plug of the node that runs a job; it starts again."""

    def history(self) -> list[PastJob]:
        """Returns all jobs that have ended, in the order of submission."""


def play(pool: Pool, folder: Path) -> int:
    """Plays all scenes; returns 0 if every point was shown."""
    package_path()
    begin = time.monotonic()
    table = Table(folder)
    with table.point("the pool starts"):
        pool.start()
    study = Study(folder / "study", pool.name, pool.quick, EPOCHS)
    study.local()
    reference = study.hashes()
    print(f"undisturbed, on this machine: {len(reference)} files", flush=True)
    study.forget_results()
    checked(pool, study, table)
    disturbed(pool, study, table, reference)
    rows = [f"{job.rule:14} {job.end:44} {job.asked}" for job in pool.history()]
    table.show("jobs in the order of submission", "\n".join(rows))
    print(f"{time.monotonic() - begin:.0f} s in all")
    return table.end()


def checked(pool: Pool, study: Study, table: Table) -> None:
    """Asks preflight about the profile."""
    with table.point("preflight passes"):
        options = [*configured(study), "--profile", str(study.profile("checked"))]
        text = program(study, "bayling_study.commands.preflight", *options)
        table.show(f"make preflight PROFILE={pool.name}", text)
        assert " 0 failed" in text, text


def disturbed(pool: Pool, study: Study, table: Table, reference: dict[str, str]) -> None:
    """Runs the study while everything goes wrong, and compares the result."""
    options = ["--profile", str(study.profile("disturbed", **pool.short))]
    run = study.start("disturbed", *options)
    wait(lambda: pool.running("tuning"), "a training", 900)
    study.trained_on()
    table.show("make status", program(study, "bayling_study.commands.status", *configured(study)))
    with table.point("a preempted training saves, and goes on at the step where it was"):
        starts = len(study.events("started"))
        pool.preempt(pool.running("tuning"))
        study.started_again(starts)
        done = study.steps_before(starts)
        assert study.events("started")[starts]["step"] == done, (done, study.events("started"))
        table.note(f"step {done}")
    study.trained_on()
    with table.point("a node fails under a training, which goes on from its newest checkpoint"):
        starts = len(study.events("started"))
        pool.fail(pool.running("tuning"))
        study.started_again(starts)
        done, kept = study.steps_before(starts), study.events("started")[starts]["step"]
        assert 0 < kept <= done, (kept, done)
        table.note(f"killed at step {done}, went on from {kept}")
    study.trained_on()
    run = killed(pool, study, run, options, table)
    with table.point("Snakemake killed with -9 and started again finishes the study"):
        assert run.wait() == 0, read(run.log)[-2000:]
    for rule, word in pool.retried.items():
        with table.point(f"{word}: the job is gone before it is sent again, and then succeeds"):
            first, second = (job for job in pool.history() if job.rule == rule)
            assert word in first.end and first.gone <= second.sent, (first, second)
            table.note("; ".join(f"{job.end}: {job.asked}" for job in (first, second)))
    with table.point("results are bit-equal to those of the undisturbed run"):
        compare(reference, study.hashes())
        table.note(f"{len(reference)} files")


def killed(pool: Pool, study: Study, run: Run, options: list[str], table: Table) -> Run:
    """Kills Snakemake during the training and starts it again as ``make resume`` does."""
    number, others = pool.running("tuning"), pool.strangers(study.folder)
    run.kill()
    with table.point("its jobs go on without it, and exactly they are cancelled"):
        time.sleep(3)
        assert pool.running("tuning") == number, "the orphan runs on"
        options_of = ["--study", "tiny", "--profile", options[1]]
        text = program(study, "bayling_study.commands.status.cancel", *options_of)
        table.show("cancel", text)
        assert f"cancelling job {number} (tuning)" in text and not pool.alive(number), text
        assert others and all(map(pool.alive, others)), "jobs of others are gone"
        left = [
            p for p in psutil.process_iter(["cmdline"]) if TRAINING in (p.info["cmdline"] or [])
        ]
        assert not left, left
    unlock = study.start("unlock", *options, "--unlock")
    assert unlock.wait(240) == 0
    return study.start("resumed", *options)


def program(study: Study, *arguments: str) -> str:
    """Returns what a program of the package prints, run in the study's folder."""
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=study.folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def hang(module: str) -> None:
    """Stops a job's program for good, as a dead file server does."""

    def found() -> list[psutil.Process]:
        known = psutil.process_iter(["cmdline"])
        return [p for p in known if module in (p.info["cmdline"] or [])]

    wait(found, f"a process of {module}", 240)
    found()[0].send_signal(signal.SIGSTOP)


def compare(reference: dict[str, str], found: dict[str, str]) -> None:
    """Names every file that differs."""
    wrong = [name for name in reference | found if reference.get(name) != found.get(name)]
    assert not wrong, f"{len(wrong)} of {len(reference)} files differ: {', '.join(wrong[:5])}"


def forget(study: Study) -> None:
    """Removes the trained system, so that it is trained anew; its inputs stay."""
    for name in ("tuning/tuned", "work/tuning"):
        shutil.rmtree(study.results / name, ignore_errors=True)


def configured(study: Study) -> list[str]:
    """Returns the option that names the study."""
    return ["--study-config", str(study.config)]


def package_path() -> None:
    """Lets programs that the test starts find the package, beside what they find already."""
    paths = [str(ROOT / "workflow"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
