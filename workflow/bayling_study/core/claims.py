"""One living job for one result: a lock that the kernel drops with its process. A workflow that was
killed, or stands beside another, may send a job again while the first still runs on some node.
POSIX's lock is the one that network file systems carry between nodes."""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bayling_study.core.errors import StudyError

log = logging.getLogger(__name__)


@contextmanager
def claimed(result: Path) -> Iterator[None]:
    """Holds the lock ``.NAME.claim`` beside a result (``StudyError`` says who else holds it)."""
    path = result.with_name(f".{result.name}.claim")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(descriptor, path)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{socket.gethostname()}, process {os.getpid()}, {since}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:
        holder = os.pread(descriptor, 1000, 0).decode(errors="replace")
        what = f"the same job is at work already: {holder or 'who is not known'}"
        fix = "wait until it has ended, or end it; then start again"
        raise StudyError(what, where=path, fix=fix) from error
    except OSError as error:
        what = "%s: no locks on this file system (%s); two such jobs would not know"
        log.warning(what, path, error)
