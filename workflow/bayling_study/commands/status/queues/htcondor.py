"""The jobs of a study in HTCondor's queue.

``dag.htcondor`` gives each job the attribute ``MARK`` with the study's name, and HTCondor
its working folder: both together tell a study's jobs from all others of the same user.
Jobs that are being removed are still in the queue until their programs have ended.
"""

import json
import time
from pathlib import Path
from typing import Any

from bayling_study.commands.status.queues.queued import Queued, answer
from bayling_study.commands.status.times import duration
from bayling_study.dag.htcondor import MARK

STATES = ("?", "idle", "running", "removed", "completed", "held", "transferring", "suspended")
"""What HTCondor's numbers of a JobStatus mean."""
ASKED = ("ClusterId", "ProcId", "JobBatchName", "JobStatus", "RemoteHost", "HoldReason")
TIMES = ("JobCurrentStartDate", "AllowedExecuteDuration")


def jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study that Snakemake runs in a folder.

    Raises:
        StudyError: HTCondor does not answer.
    """
    mine = f"{MARK} =?= {_quoted(study)} && Iwd =?= {_quoted(str(folder.resolve()))}"
    fields = ",".join((*ASKED, *TIMES))
    told = answer("condor_q", "-constraint", mine, "-json", "-attributes", fields)
    return [_queued(row) for row in json.loads(told or "[]")]


def _quoted(text: str) -> str:
    """Returns a text as a constraint writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _queued(row: dict[str, Any]) -> Queued:
    state = STATES[row["JobStatus"]]
    begin, limit = row.get("JobCurrentStartDate"), row.get("AllowedExecuteDuration")
    runs = state in ("running", "transferring", "suspended")
    return Queued(
        number=f"{row['ClusterId']}.{row['ProcId']}",
        rule=str(row.get("JobBatchName", "")).rpartition("-")[0],
        state=state,
        time=duration(time.time() - begin) if runs and begin else "0 s",
        limit=duration(limit) if limit else "no limit",
        nodes=str(row.get("RemoteHost", "")) if runs else "",
        reason=str(row.get("HoldReason") or state),
    )
