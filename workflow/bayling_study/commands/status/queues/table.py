"""How the jobs of a study are found and ended, a row for each scheduler that can tell them.

To add one: a module with ``jobs(study, folder)`` that returns exactly the jobs of a study and a
folder, those that are just ending too, and a row here under the name of its executor plugin.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bayling_study.commands.status.queues import gridengine, htcondor, slurm
from bayling_study.commands.status.queues.queued import Queued
from bayling_study.core.errors import StudyError
from bayling_study.dag.htcondor import MARKED


@dataclass(frozen=True)
class Scheduler:
    """A scheduler in whose queue a study's jobs can be told from all others.

    ``jobs`` asks for those of a study and a folder, with the program ``asks``; ``ends`` is the
    command that takes their numbers; within ``seconds`` they are gone; ``why`` tells of one that
    is not. Without the default resource ``mark`` in a profile nothing could be told apart.
    """

    asks: str
    jobs: Callable[[str, Path], list[Queued]]
    ends: tuple[str, ...]
    why: str
    seconds: float = 120.0
    mark: str = ""


SCHEDULERS = {
    "slurm": Scheduler("squeue", slurm.jobs, ("scancel",), "scontrol show job NUMBER"),
    # A job that is asked to end has the pool's vacate time for it: 600 s by default.
    "htcondor": Scheduler(
        asks="condor_q",
        jobs=htcondor.jobs,
        ends=("condor_rm",),
        why="condor_q -better-analyze NUMBER",
        seconds=900.0,
        mark=MARKED,
    ),
    # PBS has a `qstat` too, of another kind, and no `qconf`.
    "sge": Scheduler(
        asks="qconf", jobs=gridengine.jobs, ends=("qdel",), why="qstat -j NUMBER", mark="sge_extra"
    ),
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
    """Returns a study's jobs in the queues that this machine knows, and what went wrong.

    No list of jobs where it knows no queue or none answers.
    """
    jobs, answered, troubles = [], False, []
    for scheduler in SCHEDULERS.values():
        if shutil.which(scheduler.asks) is None:
            continue
        try:
            jobs += scheduler.jobs(study, folder)
            answered = True
        except StudyError as error:
            troubles.append(f"queue: {error.render()}")
    return jobs if answered else None, troubles
