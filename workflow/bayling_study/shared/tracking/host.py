"""The machine, code state and packages that a job ran with. Standard library only: the COMET
environment uses this module too."""

import os
import platform
import re
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    *("bitsandbytes", "datasets", "deepspeed", "gguf", "numpy", "sacrebleu", "safetensors"),
    *("tokenizers", "torch", "transformers", "unbabel-comet"),
)
SCHEDULER_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "CONDOR_JOB", "JOB_ID")
"""Variables that name the running job: of SLURM, PBS, LSF, our profile of HTCondor, Grid Engine."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages that decide results, where installed."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def usable_cores() -> int:
    """Returns how many cores this process may use."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def host_facts() -> dict[str, Any]:
    """Returns what is worth knowing of the machine: name, system, cores, process, boot."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "cores": usable_cores(),
        "pid": os.getpid(),
        "boot": BOOT.read_text().strip() if BOOT.exists() else "",
        "scheduler_job": next(filter(None, map(os.environ.get, SCHEDULER_JOBS)), ""),
    }


def is_alive(host: Mapping[str, Any]) -> bool:
    """Tells whether a record's process may still run; other machines get the benefit of doubt."""
    if host.get("name") != platform.node():
        return True
    if BOOT.exists() and BOOT.read_text().strip() != host.get("boot"):
        return False
    try:
        os.kill(int(host.get("pid", 0)), 0)
    except OSError as error:  # another user's process may not be asked
        return not isinstance(error, ProcessLookupError)
    return True


def command_line() -> list[str]:
    """Returns the command that starts this program again, ``python -m MODULE …`` where it can."""
    module = program()
    return [*(["python", "-m", module] if module else [Path(sys.argv[0]).name]), *sys.argv[1:]]


def program() -> str:
    """Returns the module that runs as ``python -m MODULE``; empty for a script."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return "" if spec is None else str(spec.name).removesuffix(".__main__")


def git_commit(folder: Path) -> str:
    """Returns the commit that a working tree is on, read without git; empty where there is none.
    What is not committed does not show: the code hash says what ran."""
    repository = folder / ".git"
    if repository.is_file():  # a linked working tree names its own folder
        repository = folder / _text(repository).partition("gitdir:")[2].strip()
    head = _text(repository / "HEAD")
    if not head.startswith("ref: "):
        return head
    shared, name = repository / _text(repository / "commondir"), head.removeprefix("ref: ")
    packed = _text(shared / "packed-refs").splitlines()
    found = (line.split()[0] for line in packed if line.endswith(f" {name}"))
    return _text(shared / name) or next(found, "")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def peak_memory_bytes() -> int:
    """Returns the largest resident set of this process and of its finished children, in bytes.
    Linux' ``VmHWM`` counts this program alone; ``ru_maxrss`` begins with its parent's size."""
    unit = 1 if sys.platform == "darwin" else 1024
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    status = Path("/proc/self/status")
    mark = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    whole = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return int(max(int(mark[1]) * 1024 if mark else whole, children))
