"""Commands, files and waiting, for tests of schedulers."""

from __future__ import annotations

import fcntl
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

SET_FLAGS, SET_ADDRESS, IFF_UP = 0x8914, 0x8916, 1
ADDRESS = "10.99.0.1"


def loopback() -> None:
    """Switches on a network namespace's loopback, with a second address.

    A name resolves (AI_ADDRCONFIG) only on a machine that has an address other than 127.0.0.1.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        # Requests of linux/sockios.h.
        fcntl.ioctl(device, SET_FLAGS, struct.pack("16sh", b"lo", IFF_UP))
        address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(ADDRESS))
        fcntl.ioctl(device, SET_ADDRESS, struct.pack("16s16s", b"lo:1", address))


def wait(ready: Callable[[], object], what: str, seconds: float = 240) -> None:
    """Waits until something is true.

    Raises:
        TimeoutError: it does not become true in time.
    """
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.3)


def output(*command: str) -> str:
    """Returns what a command prints, errors included."""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr


def run(*command: str) -> None:
    """Runs a command that must succeed."""
    subprocess.run(command, check=True)


def read(path: Path) -> str:
    """Returns a file's text; nothing if it is not there yet."""
    return path.read_text(errors="replace") if path.exists() else ""
