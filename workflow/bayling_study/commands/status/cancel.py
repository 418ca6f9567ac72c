"""Cancels a study's jobs in SLURM's queue, ``commands.status.cancel --study NAME``.

For a study whose Snakemake was killed: its jobs go on without it, and a new
Snakemake, which does not know them, would start each a second time beside the
first. ``make resume`` runs this, then Snakemake. Waits until the jobs are gone. In the queues of
other schedulers it cannot tell a study's jobs from others, and says how to look.
"""

import subprocess
import time
from pathlib import Path

from bayling_study.commands.status.queue import Queued, queued
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.dag.profiles import read_profile

LOOK = {
    "htcondor": "condor_q -nobatch, condor_rm NUMBER",
    "sge": "qstat, qdel NUMBER",
    "lsf": "bjobs, bkill NUMBER",
    "kubernetes": "kubectl get jobs, kubectl delete job NAME",
}
"""Executor to the commands with which a person finds and ends what a dead Snakemake left."""
SLURM = Path("config/profiles/slurm")
SECONDS = 120.0
POLL_SECONDS = 1.0


COMMAND_LINE = cli.command(
    __name__,
    study=cli.option("name of the study (study.name)", required=True),
    profile=cli.path("folder of the profile that sent the jobs", required=False, default=SLURM),
    gone=cli.option("the queue was looked at: no job is left", action="store_true"),
)


def main() -> None:
    """Cancels and waits.

    Raises:
        StudyError: a job is still there after two minutes, or the queue is not SLURM's and
            nobody has said that it holds no job of the study.
    """
    options = COMMAND_LINE.parse_args()
    executor = read_profile(options.profile).executor
    if executor not in ("slurm", "local") and not options.gone:
        raise StudyError(
            f"jobs of a dead Snakemake may still run, and only SLURM's can be told apart here, "
            f"not those of {executor}",
            where=options.profile,
            fix=f"{LOOK.get(executor, 'look into the queue of your scheduler')}; when none of "
            "this study is left: make resume … GONE=yes",
        )
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
