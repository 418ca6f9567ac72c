"""The jobs of a study in SLURM's queue.

The profile gives Snakemake's jobs a name that begins with ``PREFIX`` and the
study's name, and every job its working folder: both together tell a study's
jobs from all others of the same user.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bayling_study.core.errors import StudyError

PREFIX = "bayling"
SECONDS = 20
FIELDS = ("%i", "%j", "%T", "%M", "%l", "%N", "%r", "%Z", "%k")
"""squeue's number, name, state, time, limit, nodes, reason, folder and comment of a job."""


@dataclass(frozen=True)
class Queued:
    """One job in the queue, as the scheduler describes it.

    ``rule`` is what it runs, with its wildcards, as Snakemake comments it; ``nodes`` is empty
    while it waits, for ``reason``. It has run for ``time`` and may run for ``limit``.
    """

    number: str
    rule: str
    state: str
    time: str
    limit: str
    nodes: str
    reason: str


def job_name(study: str) -> str:
    """Returns how the names of a study's jobs begin; the plugin allows letters, digits, ``_-``."""
    return f"{PREFIX}_{re.sub('[^A-Za-z0-9_-]', '-', study)}"[:50]


def queued(study: str, folder: Path) -> list[Queued] | None:
    """Returns this user's jobs of a study that Snakemake runs in a folder; none without SLURM.

    Raises:
        StudyError: SLURM is here and does not answer.
    """
    if shutil.which("squeue") is None:
        return None
    jobs = []
    for line in _squeue().splitlines():
        values = line.split("\x1f")
        if len(values) != len(FIELDS):
            continue
        number, name, state, time, limit, nodes, reason, where, comment = values
        if name.startswith(f"{job_name(study)}_") and Path(where) == folder.resolve():
            rule = comment.removeprefix("rule_").replace("_wildcards_", " ")
            jobs.append(Queued(number, rule, state, time, limit, nodes, reason))
    return jobs


def _squeue() -> str:
    command = ["squeue", "--me", "--noheader", "--format", "\x1f".join(FIELDS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise StudyError(f"SLURM's queue did not answer in {SECONDS} s", where="squeue") from error
    if done.returncode:
        raise StudyError(done.stderr.strip() or "no answer", where="squeue")
    return done.stdout
