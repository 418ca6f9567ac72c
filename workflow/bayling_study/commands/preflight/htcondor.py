"""Checks what HTCondor would make of the study's folders."""

import sys
from collections.abc import Iterator
from pathlib import Path

from bayling_study.commands.preflight.outcome import Outcome, failed, ok
from bayling_study.commands.status.queues.queued import answer
from bayling_study.core.errors import StudyError
from bayling_study.dag.rules import Dag

HIDDEN = (Path("/tmp"), Path("/var/tmp"))
"""HTCondor's default MOUNT_UNDER_SCRATCH: each job has folders of its own in their places."""


def queue() -> Outcome:
    """Tells whether the pool's queue answers."""
    try:
        told = answer("condor_q", "-totals").strip().splitlines()
    except StudyError as error:
        return failed("queue", f"{error.where}: {error.what}", "start from an access point")
    return ok("queue", f"answers: {told[-1] if told else 'no jobs'}")


def folders(dag: Dag) -> Iterator[Outcome]:
    """Names each folder of the study that jobs would not see."""
    needed = {
        "study.results": dag.layout.study,
        "study.resources": dag.layout.resources,
        "this folder": Path.cwd(),
        "Python's environment": Path(sys.prefix),
    }
    for name, folder in needed.items():
        place = folder.resolve()
        if any(place.is_relative_to(hidden) for hidden in HIDDEN):
            what = f"{name}: {place} is hidden from jobs, which get a /tmp of their own"
            yield failed("shared files", what, "a folder that all nodes share: not below /tmp")
