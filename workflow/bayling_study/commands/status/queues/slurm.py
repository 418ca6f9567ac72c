"""The jobs of a study in SLURM's queue: by a name that begins with ``PREFIX`` and the study's
name (the Makefile gives it), and by their working folder."""

import re
from pathlib import Path

from bayling_study.commands.status.queues.queued import Queued, answer

PREFIX = "bayling"
FIELDS = ("%i", "%j", "%T", "%M", "%l", "%N", "%r", "%Z", "%k")
"""squeue's number, name, state, time, limit, nodes, reason, folder and comment of a job."""


def job_name(study: str) -> str:
    """Returns how the names of a study's jobs begin; the plugin allows letters, digits, ``_-``."""
    return f"{PREFIX}_{re.sub('[^A-Za-z0-9_-]', '-', study)}"[:50]


def jobs(study: str, folder: Path) -> list[Queued]:
    """Returns this user's jobs of a study in a folder (``StudyError`` if SLURM does not answer)."""
    found = []
    told = answer("squeue", "--me", "--noheader", "--format", "\x1f".join(FIELDS))
    for line in told.splitlines():
        if line.count("\x1f") != len(FIELDS) - 1:
            continue
        number, name, state, time, limit, nodes, reason, where, comment = line.split("\x1f")
        if name.startswith(f"{job_name(study)}_") and Path(where) == folder.resolve():
            rule = comment.removeprefix("rule_").replace("_wildcards_", " ")
            found.append(Queued(number, rule, state, time, limit, nodes, reason))
    return found
