"""Cancels a study's jobs in a scheduler's queue, ``commands.status.cancel --study NAME``.

For a study whose Snakemake was killed: its jobs go on without it, and a new one, which does not
know them, would start each a second time beside the first. ``make resume`` runs this, then
Snakemake. Waits until the jobs are gone; where it cannot tell them apart it says how to look.
"""

import subprocess
import time
from pathlib import Path

from bayling_study.commands.status.queues import LOOK, SCHEDULERS, Scheduler
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.dag.profiles import read_profile

SLURM = Path("config/profiles/slurm")
POLL_SECONDS = 1.0

COMMAND_LINE = cli.command(
    __name__,
    study=cli.option("name of the study (study.name)", required=True),
    profile=cli.path("folder of the profile that sent the jobs", required=False, default=SLURM),
    gone=cli.option("the queue was looked at: no job is left", action="store_true"),
)


def main() -> None:
    """Cancels and waits (``StudyError`` if a job is still there in the end, the queue cannot be
    asked, or it cannot tell the study's jobs from others and nobody has said that it holds
    none)."""
    options = COMMAND_LINE.parse_args()
    profile = read_profile(options.profile)
    executor, scheduler = profile.executor, SCHEDULERS.get(profile.executor)
    if options.gone or executor == "local":
        print("no queue is asked")
    elif scheduler is None or (scheduler.mark and not profile.marks(scheduler.mark)):
        what = f"jobs of a dead Snakemake may still run, and those of {executor} cannot be told "
        what += "from others"
        what += f" without {scheduler.mark} in default-resources" if scheduler else ""
        fix = LOOK.get(executor, "look into the queue of your scheduler")
        fix += "; when none of this study is left: make resume … GONE=yes"
        raise StudyError(what, where=options.profile, fix=fix)
    else:
        print(f"{cancel(options.study, scheduler)} jobs of {options.study} cancelled")


def cancel(study: str, scheduler: Scheduler) -> int:
    """Cancels a study's jobs, waits until the queue has none left; returns how many there were
    (``StudyError`` if one is there after the scheduler's time, or the queue does not answer)."""
    jobs = scheduler.jobs(study, Path.cwd())
    for job in jobs:
        print(f"cancelling job {job.number} ({job.rule}), {job.state.lower()}", flush=True)
    if jobs:
        # One that has ended by itself meanwhile makes this fail, and is none of those below.
        subprocess.run([*scheduler.ends, *(job.number for job in jobs)], check=False)
    begin = time.monotonic()
    while left := scheduler.jobs(study, Path.cwd()) if jobs else []:
        if time.monotonic() > begin + scheduler.seconds:
            what = f"{len(left)} jobs are still in the queue after {scheduler.seconds:.0f} s"
            where = f"{scheduler.asks}: {left[0].number}, {left[0].state.lower()}"
            fix = f"ask why ({scheduler.why}) and start again when they are gone"
            raise StudyError(what, where=where, fix=fix)
        time.sleep(POLL_SECONDS)
    return len(jobs)


if __name__ == "__main__":
    cli.run_program(main)
