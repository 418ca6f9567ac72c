"""Cancels a study's jobs in SLURM's queue, ``commands.status.cancel --study NAME``.

For a study whose Snakemake was killed: its jobs go on without it, and a new
Snakemake, which does not know them, would start each a second time beside the
first. ``make resume`` runs this, then Snakemake. Waits until the jobs are gone.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from bayling_study.commands.status.queue import Queued, queued
from bayling_study.core import cli
from bayling_study.core.errors import StudyError

SECONDS = 120.0
POLL_SECONDS = 1.0


def main() -> None:
    """Cancels and waits.

    Raises:
        StudyError: a job is still there after two minutes.
    """
    name = cli.option("name of the study (study.name)", required=True)
    options = cli.command(__name__, study=name).parse_args()
    jobs = queued(options.study, Path.cwd()) or []
    for job in jobs:
        print(f"cancelling job {job.number} ({job.rule}), {job.state.lower()}", flush=True)
    if jobs:
        cancel(options.study, jobs)
    print(f"{len(jobs)} jobs of {options.study} cancelled")


def cancel(study: str, jobs: list[Queued]) -> None:
    """Cancels jobs and waits until the queue has none of the study left."""
    subprocess.run(["scancel", *(job.number for job in jobs)], check=False)
    end = time.monotonic() + SECONDS
    while queued(study, Path.cwd()):
        if time.monotonic() > end:
            raise StudyError(
                f"jobs are still in the queue after {SECONDS:.0f} s",
                where="squeue --me",
                fix="ask why (scontrol show job NUMBER) and start again when they are gone",
            )
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    cli.run_program(main)
