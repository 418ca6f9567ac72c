"""Looks around on the node where it runs and writes what it finds, as one JSON file.

    python -m bayling_study.commands.preflight.probe --folder SHARED --out SHARED/NAME.json

Judges nothing: that is done where the preflight was started (``checks``).
"""

import os
import platform
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from bayling_study.commands.preflight.programs import broken_imports, compiler_faults
from bayling_study.core import cli
from bayling_study.core.files import write_json

COMET_CODE = "import importlib.util as u, sys; sys.exit(u.find_spec('comet') is None)"
CONNECT_SECONDS = 3.0
TOKEN = "token"

COMMAND_LINE = cli.command(
    __name__,
    folder=cli.path("holds the file 'token'"),
    out=cli.path("JSON file to write"),
    packages=cli.option("to import", nargs="+", default=["torch"]),
    comet_python=cli.option("interpreter of the other environment", default=""),
    address=cli.option("URLs to try to reach", nargs="*", default=[]),
)


def main() -> None:
    """Writes what is found."""
    options = COMMAND_LINE.parse_args()
    token, node = options.folder / TOKEN, os.environ.get("SLURMD_NODENAME") or platform.node()
    facts = {
        "node": node,
        "token": token.read_text() if token.is_file() else "",
        "devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "torch_devices": torch_devices(),
        "python": sys.executable,
        "broken": broken_imports(options.packages),
        "compilers": compiler_faults(),
        "comet": comet(options.comet_python),
        "route": has_route(),
        "unreachable": [url for url in options.address if not reachable(url)],
        "offline": os.environ.get("HF_HUB_OFFLINE", ""),
        "free_bytes": shutil.disk_usage(options.folder).free,
    }
    # Several tasks of one probe write one file each, under their node's name.
    write_json(options.out.with_name(f"{options.out.stem}-{node}.json"), facts)


def torch_devices() -> int | str:
    """Returns how many GPUs torch can use, or why it cannot say."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return str(error)
    return int(torch.cuda.device_count())


def comet(python: str) -> str:
    """Returns what is wrong with the other environment; nothing if it is fine or not needed."""
    if not python:
        return ""
    try:
        done = subprocess.run([python, "-c", COMET_CODE], capture_output=True, text=True)
    except OSError as error:
        return f"{python}: {error.strerror}"
    return "" if done.returncode == 0 else f"{python}: has no unbabel-comet {done.stderr[-200:]}"


def has_route() -> bool:
    """Tells whether this node knows a way to the world; sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # an address that RFC 5737 keeps free for examples
        return probe.connect_ex(("192.0.2.1", 9)) == 0


def reachable(url: str) -> bool:
    """Tells whether a TCP connection to an address can be made."""
    parts: Any = urlsplit(url)
    port = parts.port or (80 if parts.scheme == "http" else 443)
    with suppress(OSError), socket.create_connection((parts.hostname, port), CONNECT_SECONDS):
        return True
    return False


if __name__ == "__main__":
    cli.run_program(main)
