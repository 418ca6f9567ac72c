"""The jobs of a study in the queues of schedulers: how each is asked for them, and ends them."""

import getpass
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from bayling_study.core.errors import StudyError
from bayling_study.core.tables import beside
from bayling_study.dag.htcondor import MARK, MARKED

SECONDS = 20
SLURM_PREFIX = "bayling"
SLURM_FIELDS = ("%i", "%j", "%T", "%M", "%l", "%N", "%r", "%Z", "%k")
"""squeue's number, name, state, time, limit, nodes, reason, folder and comment of a job."""
CONDOR_FIELDS = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
"""What each field of ``Queued`` is made of."""
SGE_MARK = "bayling_study"


class Queued(NamedTuple):
    """One job in the queue, as the scheduler describes it, its wildcards in ``rule`` where it was
    told them. It has run for ``time`` of ``limit``, or, without ``nodes``, waits for ``reason``."""

    number: str
    rule: str
    state: str
    time: str
    limit: str
    nodes: str
    reason: str


def answer(*command: str) -> str:
    """Returns what a scheduler's command prints (``StudyError`` if it is not here, does not answer
    in ``SECONDS``, or with an error)."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        what, fix = f"cannot be asked: {error}", "ask where the study was started"
        raise StudyError(what, where=command[0], fix=fix) from error
    if done.returncode:
        raise StudyError(done.stderr.strip() or "no answer", where=command[0])
    return done.stdout


def slurm_name(study: str) -> str:
    """Returns how the names of a study's jobs begin; the plugin allows letters, digits, ``_-``."""
    return f"{SLURM_PREFIX}_{re.sub('[^A-Za-z0-9_-]', '-', study)}"[:50]


def slurm_jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study in a folder (``StudyError`` if SLURM does not answer): by
    a name that begins with ``slurm_name`` (the Makefile gives it), and by their working folder."""
    found = []
    told = answer("squeue", "--me", "--noheader", "--format", "\x1f".join(SLURM_FIELDS))
    for line in told.splitlines():
        if line.count("\x1f") != len(SLURM_FIELDS) - 1:
            continue
        number, name, state, time, limit, nodes, reason, where, comment = line.split("\x1f")
        if name.startswith(f"{slurm_name(study)}_") and Path(where) == folder.resolve():
            rule = comment.removeprefix("rule_").replace("_wildcards_", " ")
            found.append(Queued(number, rule, state, time, limit, nodes, reason))
    return found


def condor_jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study in a folder (``StudyError`` if HTCondor is silent): by
    their attribute ``MARK`` and their working folder. One that is removed stays in the queue until
    its program has ended."""
    # A text in JSON is one in HTCondor's language too.
    name, where = (json.dumps(text, ensure_ascii=False) for text in (study, str(folder.resolve())))
    mine = f"{MARK} =?= {name} && Iwd =?= {where}"
    lines = answer("condor_q", "-constraint", mine, "-autoformat:t", *CONDOR_FIELDS).splitlines()
    rows = [line.split("\t", len(CONDOR_FIELDS) - 1) for line in lines]
    # A reason may have lines of its own.
    return [Queued(*row) for row in rows if len(row) == len(CONDOR_FIELDS)]


def sge_jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study in a folder (``StudyError`` if Grid Engine is silent).
    Each has the context variable ``SGE_MARK`` with the study's name (``sge_extra`` of the profile)
    and the folder it was sent from: both tell them from others. One that is deleted stays until it
    has ended. PBS has a ``qstat`` too, of another kind, but no ``qconf``."""
    found = []
    listed = ElementTree.fromstring(answer("qstat", "-xml", "-u", getpass.getuser()))
    for entry in listed.iter("job_list"):
        told_of = entry.findtext
        number, letters = told_of("JB_job_number", ""), told_of("state", "")
        known = _known_to_sge(number)
        mine = f"{SGE_MARK}={study}" in known.get("context", "").split(",")
        if mine and known["sge_o_workdir"] == str(folder.resolve()):
            rule, node = told_of("JB_name", "").rpartition("_")[0], told_of("queue_name", "")
            time = f"since {told_of('JAT_start_time') or told_of('JB_submission_time')}"
            state, limit = f"{entry.get('state')} ({letters})", known.get("hard resource_list", "")
            found.append(Queued(number, rule, state, time, limit, node.partition("@")[2], letters))
    return found


def _known_to_sge(number: str) -> dict[str, str]:
    """Returns what Grid Engine knows of a job; nothing of one that has ended meanwhile."""
    try:
        told = answer("qstat", "-j", number)
    except StudyError as error:
        if "do not exist" not in str(error):
            raise
        return {}
    return dict(re.findall(r"^(\w[\w ]*):[ \t]+(.*?)\s*$", told, re.MULTILINE))


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
    "slurm": Scheduler("squeue", slurm_jobs, ("scancel",), "scontrol show job NUMBER"),
    # A training that is told to end saves first, in the pool's vacate time: 600 s by default.
    "htcondor": Scheduler(
        "condor_q", condor_jobs, ("condor_rm",), "condor_q -better NUMBER", 900.0, MARKED
    ),
    "sge": Scheduler("qconf", sge_jobs, ("qdel",), "qstat -j NUMBER", mark="sge_extra"),
}
"""Executor plugin to its scheduler."""
LOOK: dict[str, str] = beside(__file__)
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
