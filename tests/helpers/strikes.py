"""What a test needs to strike a training at the right moment: its processes and checkpoints."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

from helpers.sandbox import ROOT, Sandbox

SECONDS = 300.0
"""For what is waited for, on a machine that does more than this."""


def lay_over(shim: Path, fault: str, sandbox: Sandbox, size: int = 64) -> list[str]:
    """Returns the lines that lay a machine's fault over a job; records and logs are spared.

    ``size`` is the bytes that a job may write before the fault, where it is one of writing.
    """
    root, study = sandbox.root, sandbox.study
    return [
        f"export SHIM_FAULT={fault} SHIM_UNDER='{root}' SHIM_BYTES={size}",
        f"export SHIM_LOGS='{study}/logs' SHIM_RECORDS='{study}/runs'",
        f"export LD_PRELOAD='{shim}'",
    ]


def slow_steps() -> dict[str, str]:
    """Returns the environment in which a training takes 2 s for each step after its first.

    The miniature training is over in less than a second; so there is time to strike it.
    """
    folders = [str(ROOT / "tests" / "helpers" / "brake"), str(ROOT / "workflow")]
    return {"PYTHONPATH": os.pathsep.join(folders), "BRAKE_FREE": "1", "BRAKE_SECONDS": "2"}


def wait_for_checkpoint(sandbox: Sandbox) -> None:
    """Waits until a training has written a complete checkpoint.

    Raises:
        TimeoutError: none was written.
    """
    end = time.monotonic() + SECONDS
    while not complete_checkpoints(sandbox):
        if time.monotonic() > end:
            raise TimeoutError(f"no checkpoint within {SECONDS:.0f} s")
        time.sleep(0.05)


def newest_checkpoint(sandbox: Sandbox) -> Path:
    """Returns the largest file of the newest checkpoint, once nobody writes a newer one.

    Raises:
        TimeoutError: the workers outlive the program that started them.
    """
    end = time.monotonic() + SECONDS
    while workers_below(sandbox.root):
        if time.monotonic() > end:
            raise TimeoutError(f"training processes are alive after {SECONDS:.0f} s")
        time.sleep(0.1)
    newest = max(complete_checkpoints(sandbox), key=lambda folder: folder.name)
    files = [path for path in newest.rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def complete_checkpoints(sandbox: Sandbox) -> list[Path]:
    """Returns the folders of the checkpoints that are there now."""
    work = sandbox.study / "work" / "tuning" / "tuned"
    return [path.parent for path in work.glob("*/step-*/manifest.json")]


def workers_below(root: Path) -> list[psutil.Process]:
    """Returns the training processes that work below a folder, whoever is their parent now."""
    found = []
    for process in psutil.process_iter():
        try:
            words, folder = process.cmdline(), process.cwd()
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
        inside = Path(folder).is_relative_to(root.resolve())
        if inside and "bayling_study.stages.tuning.worker" in words:
            found.append(process)
    return found
