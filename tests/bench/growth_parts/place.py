"""A folder in which one point is measured: each program of a stage in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from growth_parts.points import Cost
from watch import Watch

ROOT = Path(__file__).resolve().parents[3]
CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Place:
    """Where a point is measured, and how.

    Attributes:
        folder: an empty one; all that the stages read and write is in it, so that what it holds
            at its fullest is what the work takes on disk.
        scale: what to multiply sizes by.
        tokenizer: a checkpoint's folder, where one is needed.
        checkout: whose code is measured.
    """

    folder: Path
    scale: float
    tokenizer: Path | None
    checkout: Path = ROOT

    def scaled(self, count: float, least: int = 1) -> int:
        """Returns a count at this scale."""
        return max(least, round(count * self.scale))

    def settings(self, **sections: Any) -> Path:
        """Writes the settings file of the stages."""
        path = self.folder / "settings.json"
        study = {"name": "growth", "title": "Cost against work", "seed": 1}
        path.write_text(json.dumps({"study": study, **sections}), encoding="utf-8")
        return path

    def stage(self, name: str, *options: object) -> list[str]:
        """Returns the command line of a stage."""
        command = [sys.executable, "-m", f"bayling_study.stages.{name}"]
        command += ["--settings", str(self.folder / "settings.json")]
        command += ["--record", str(self.folder / "runs" / name / "growth.json")]
        return [*command, *map(str, options)]

    def run(self, command: list[str]) -> Cost:
        """Runs a program to its end and returns what it took; with an error this one ends."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        changes = {"PYTHONPATH": str(self.checkout / "workflow"), "TMPDIR": str(temporary)}
        changes |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        changes["OMP_NUM_THREADS"] = "1"  # tuning sets its processes' own
        log = self.folder / "log.txt"
        with log.open("wb") as stream, Watch(self.folder, own=False) as watch:
            process = subprocess.Popen(
                command, stdout=stream, stderr=stream, env=os.environ | changes, cwd=self.checkout
            )
            try:
                status = process.wait()
            except BaseException:  # interrupted: nothing of this point goes on
                _kill(process.pid)
                raise
        if status:
            last = log.read_text(encoding="utf-8", errors="replace")[-3000:]
            sys.exit(f"{last}\nthis failed with status {status}: {' '.join(command)}")
        return Cost(watch.wall, watch.cpu, watch.peak, watch.disk, watch.others)


def _kill(pid: int) -> None:
    """Ends a program and all that it started."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=10)
