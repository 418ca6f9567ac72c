"""Who uses an environment, and who builds one: processes, and locks that end with theirs."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STAMP = ".complete"
"""Last file of a whole environment; a study at work holds its lock."""
SECONDS = 60.0
"""Between two lines of progress."""


def users(folder: Path) -> dict[int, str]:
    """Returns the processes of this machine that loaded something from a folder.

    Their command lines do not tell: ``python`` is found by ``PATH``. Where there
    is no ``/proc``, and for processes of other people, only ``held`` can tell.
    """
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            mapped = (place / "maps").read_text(errors="replace")
            words = (place / "cmdline").read_text(errors="replace")
        except OSError:  # it ended meanwhile, or is another user's
            continue
        if f" {folder}/" in mapped:
            found[int(place.name)] = " ".join(words.replace("\0", " ").split())
    return found


def held(folder: Path) -> bool:
    """Tells whether a study, here or on another machine, holds an environment's stamp.

    ``bayling_study.dag.exclusive`` does so for as long as Snakemake runs.
    """
    if not (folder / STAMP).is_file():
        return False
    descriptor = os.open(folder / STAMP, os.O_RDWR)
    try:
        return not take(descriptor)
    finally:
        os.close(descriptor)


def take(descriptor: int) -> bool:
    """Tries to take the lock of an open file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone(home: Path, wait: bool = True) -> Iterator[int | None]:
    """Holds the lock of all builders; yields its descriptor, or none if another has it."""
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / ".building", os.O_RDWR | os.O_CREAT, 0o644)
    said = -SECONDS
    try:
        while not (taken := take(descriptor)) and wait:
            if time.monotonic() - said >= SECONDS:
                said = time.monotonic()
                say("another make builds the environments: waiting for it")
            time.sleep(0.2)
        yield descriptor if taken else None
    finally:
        os.close(descriptor)


def say(text: str) -> None:
    """Tells the user one line."""
    print(text, file=sys.stderr, flush=True)
