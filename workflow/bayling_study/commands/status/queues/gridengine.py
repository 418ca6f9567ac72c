"""The jobs of a study in Grid Engine's queue.

The profile gives each job the context variable ``MARK`` with the study's name, and Grid Engine
the folder in which it was submitted: both together tell a study's jobs from all others of the
same user. Jobs that are being deleted are still in the queue until their programs have ended.
"""

import getpass
import re
import time
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from bayling_study.commands.status.queues.queued import Queued, answer
from bayling_study.commands.status.times import duration
from bayling_study.core.errors import StudyError

MARK = "bayling_study"
STATES = {"d": "deleted", "E": "error", "h": "held", "s": "suspended", "S": "suspended"}
STATES |= {"T": "suspended", "R": "requeued", "w": "waiting", "t": "starting", "r": "running"}
"""The first of these letters in a job's state says how it is."""


def jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study that Snakemake runs in a folder.

    Raises:
        StudyError: Grid Engine does not answer.
    """
    told = ElementTree.fromstring(answer("qstat", "-xml", "-u", getpass.getuser()))
    rows = [{part.tag: part.text or "" for part in entry} for entry in told.iter("job_list")]
    known = _described([row["JB_job_number"] for row in rows])
    here = (study, str(folder.resolve()))
    found = [(row, known.get(row["JB_job_number"], "")) for row in rows]
    return [_queued(row, block) for row, block in found if _marks(block) == here]


def _described(numbers: list[str]) -> dict[str, str]:
    """Returns what Grid Engine knows of each job; those that have ended meanwhile are left out."""
    try:
        told = answer("qstat", "-j", ",".join(numbers)) if numbers else ""
    except StudyError as error:
        if "do not exist" not in str(error):
            raise
        told = ""
    blocks = re.split(r"^={10,}$", told, flags=re.MULTILINE)[1:]
    return {_field(block, "job_number"): block for block in blocks}


def _marks(block: str) -> tuple[str, str]:
    """Returns the study and the folder of a described job."""
    context = dict(re.findall(r"([^,=\s]+)=([^,]*)", _field(block, "context")))
    return context.get(MARK, ""), _field(block, "sge_o_workdir")


def _field(block: str, name: str) -> str:
    found = re.search(rf"^{name}:[ \t]*(.*?)\s*$", block, re.MULTILINE)
    return found[1] if found else ""


def _queued(row: dict[str, str], block: str) -> Queued:
    state = next((word for letter, word in STATES.items() if letter in row["state"]), row["state"])
    begin = row.get("JAT_start_time", "")
    limit = re.search(r"\bh_rt=(\d+)", _field(block, "hard resource_list"))
    since = time.time() - datetime.fromisoformat(begin).timestamp() if begin else 0
    return Queued(
        number=row["JB_job_number"],
        rule=row["JB_name"].rpartition("_")[0],
        state=state,
        time=duration(max(0.0, since)),
        limit=duration(int(limit[1])) if limit else "no limit",
        nodes=row.get("queue_name", "").partition("@")[2],
        reason=state,
    )
