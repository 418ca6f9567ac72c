"""The jobs of a study in HTCondor's queue: by their attribute ``MARK`` (``dag.htcondor``) and
their working folder. One that is removed stays in the queue until its program has ended."""

import json
from pathlib import Path

from bayling_study.commands.status.queues.queued import Queued, answer
from bayling_study.dag.htcondor import MARK

FIELDS = (
    'strcat(ClusterId, ".", ProcId)',
    'split(JobBatchName, "-")[0]',
    'split("? idle running removed completed held transferring suspended")[JobStatus]',
    "interval(JobStatus == 2 ? time() - JobCurrentStartDate : 0)",
    'AllowedExecuteDuration is undefined ? "no limit" : interval(AllowedExecuteDuration)',
    'JobStatus == 2 ? RemoteHost : ""',
    'HoldReason ?: RemoveReason ?: "in turn"',
)
"""What each field of ``Queued`` is made of."""


def jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study in a folder (``StudyError`` if HTCondor is silent)."""
    # A text in JSON is one in HTCondor's language too.
    name, where = (json.dumps(text, ensure_ascii=False) for text in (study, str(folder.resolve())))
    mine = f"{MARK} =?= {name} && Iwd =?= {where}"
    lines = answer("condor_q", "-constraint", mine, "-autoformat:t", *FIELDS).splitlines()
    rows = [line.split("\t", len(FIELDS) - 1) for line in lines]
    return [Queued(*row) for row in rows if len(row) == len(FIELDS)]  # a reason may have lines
