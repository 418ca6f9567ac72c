"""How the jobs of a study are found and ended, a row for each scheduler that can tell them."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bayling_study.commands.status.queues import gridengine, htcondor, slurm
from bayling_study.commands.status.queues.queued import Queued
from bayling_study.core.errors import StudyError
from bayling_study.dag.htcondor import MARKED


class Scheduler(NamedTuple):
    """A scheduler in whose queue a study's jobs can be told from all others. The program ``asks``
    tells of the ``jobs`` of a study and a folder, those that are just ending too; ``ends`` takes
    their numbers, within ``seconds`` they are gone, ``why`` tells of one that is not. Without the
    default resource ``mark`` of a profile none would be found."""

    asks: str
    jobs: Callable[[str, Path], list[Queued]]
    ends: tuple[str, ...]
    why: str
    seconds: float = 120.0
    mark: str = ""


SCHEDULERS = {
    "slurm": Scheduler("squeue", slurm.jobs, ("scancel",), "scontrol show job NUMBER"),
    # A training that is told to end saves first, in the pool's vacate time: 600 s by default.
    "htcondor": Scheduler(
        "condor_q", htcondor.jobs, ("condor_rm",), "condor_q -better NUMBER", 900.0, MARKED
    ),
    "sge": Scheduler("qconf", gridengine.jobs, ("qdel",), "qstat -j NUMBER", mark="sge_extra"),
}
"""Executor plugin to its scheduler."""
LOOK = {
    "htcondor": "condor_q -nobatch, condor_rm NUMBER",
    "sge": "qstat, qdel NUMBER",
    "lsf": "bjobs, bkill NUMBER",
    "kubernetes": "kubectl get jobs, kubectl delete job NAME",
}
"""Executors to the commands with which a person finds and ends what a dead Snakemake left."""


def queued(study: str, folder: Path) -> tuple[list[Queued] | None, list[str]]:
    """Returns a study's jobs in the queues that answer here, none if none does, and errors."""
    jobs, answered, troubles = [], False, []
    for scheduler in SCHEDULERS.values():
        try:
            if shutil.which(scheduler.asks):
                jobs += scheduler.jobs(study, folder)
                answered = True
        except StudyError as error:
            last = error.what.splitlines()[-1].removeprefix(f"{error.where}: ")
            troubles.append(f"queue: {error.where}: {last}")
    return jobs if answered else None, troubles
