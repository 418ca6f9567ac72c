"""The jobs of a study in Grid Engine's queue. Each has the context variable ``MARK`` with the
study's name (``sge_extra`` of the profile) and the folder it was sent from: both tell them from
others. One that is deleted stays until it has ended. PBS has a ``qstat`` too, of another kind, but
no ``qconf``."""

import getpass
import re
from pathlib import Path
from xml.etree import ElementTree

from bayling_study.commands.status.queues.queued import Queued, answer
from bayling_study.core.errors import StudyError

MARK = "bayling_study"


def jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study in a folder, or raises where nothing answers."""
    found = []
    listed = ElementTree.fromstring(answer("qstat", "-xml", "-u", getpass.getuser()))
    for entry in listed.iter("job_list"):
        told_of = entry.findtext
        number, letters = told_of("JB_job_number", ""), told_of("state", "")
        known = _known(number)
        mine = f"{MARK}={study}" in known.get("context", "").split(",")
        if mine and known["sge_o_workdir"] == str(folder.resolve()):
            rule, node = told_of("JB_name", "").rpartition("_")[0], told_of("queue_name", "")
            time = f"since {told_of('JAT_start_time') or told_of('JB_submission_time')}"
            state, limit = f"{entry.get('state')} ({letters})", known.get("hard resource_list", "")
            found.append(Queued(number, rule, state, time, limit, node.partition("@")[2], letters))
    return found


def _known(number: str) -> dict[str, str]:
    """Returns what Grid Engine knows of a job; nothing of one that has ended meanwhile."""
    try:
        told = answer("qstat", "-j", number)
    except StudyError as error:
        if "do not exist" not in str(error):
            raise
        return {}
    return dict(re.findall(r"^(\w[\w ]*):[ \t]+(.*?)\s*$", told, re.MULTILINE))
