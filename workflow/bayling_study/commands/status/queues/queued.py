"""A job in a scheduler's queue, and the question that a queue is asked."""

import subprocess
from typing import NamedTuple

from bayling_study.core.errors import StudyError

SECONDS = 20


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
