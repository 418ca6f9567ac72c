"""What a job takes of its machine over time: processor, memory, GPUs, energy.

A thread looks every few seconds at the job and its child processes (Linux' ``/proc``), at the GPUs
that it was granted (``nvidia-smi``) and at the energy counters of the processor packages (RAPL),
each where it can be read; what cannot be read is absent and never estimated. Standard library only:
the COMET environment uses this module too.

Energy and GPUs are the machine's while the job runs, not the job's share: of jobs that run side by
side on one machine, each counts all of it.
"""

import math
import os
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

MOST_SAMPLES = 240  # samples kept; beyond, every other one goes and the interval doubles
RAPL = Path("/sys/class/powercap")
GPU_FIELDS = ("utilization.gpu", "memory.used", "power.draw")
WORKING = 1.0  # per cent of utilisation from which a GPU counts as used

Sample = dict[str, float]


class Usage:
    """Samples what this process and its children use every few seconds, until closed."""

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._samples: list[Sample] = []
        self._busy: set[int] = set()
        self._gpu_joules = 0.0
        self._last = (time.monotonic(), processor_seconds(os.getpid()))
        self._rapl = read_rapl()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="usage", daemon=True)
        self._thread.start()

    def _loop(self) -> None:
        while not self._stop.wait(self._seconds):
            self.sample()

    def sample(self) -> None:
        """Takes one sample now."""
        now, used = time.monotonic(), processor_seconds(os.getpid())
        passed = max(now - self._last[0], 1e-9)
        sample: Sample = {"time": time.time()}
        if used is not None and self._last[1] is not None:
            sample["cpu_percent"] = round(100 * max(used - self._last[1], 0.0) / passed, 1)
            sample["memory_gib"] = round(memory_bytes(os.getpid()) / 2**30, 3)
        if gpus := read_gpus():
            self._busy |= {i for i, gpu in enumerate(gpus) if gpu["utilization.gpu"] >= WORKING}
            sample["gpu_percent"] = round(sum(g["utilization.gpu"] for g in gpus) / len(gpus), 1)
            sample["gpu_memory_gib"] = round(sum(g["memory.used"] for g in gpus) / 1024, 3)
            sample["gpu_watts"] = round(sum(g["power.draw"] for g in gpus), 1)
            self._gpu_joules += passed * sample["gpu_watts"]
        self._last = (now, used)
        self._samples.append(sample)
        if len(self._samples) > MOST_SAMPLES:
            self._samples = self._samples[1::2]
            self._seconds *= 2

    def summary(self) -> dict[str, Any]:
        """Returns the samples, the number of GPUs that worked, and the energy in joules by part."""
        energy = {"gpu": round(self._gpu_joules, 1)} if self._gpu_joules else {}
        if self._rapl:
            energy["cpu"] = round(rapl_joules(self._rapl, read_rapl()), 1)
        return {"samples": list(self._samples), "gpus": len(self._busy), "energy_joules": energy}

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(timeout=10)


def process_tree(root: int) -> list[list[str]]:
    """Returns the fields of ``/proc/PID/stat`` after the name, of a process and its descendants."""
    stats: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):  # the process ended meanwhile
            stats[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            found.append(stats[pid])
            waiting += [child for child, fields in stats.items() if int(fields[1]) == pid]
    return found


def processor_seconds(root: int) -> float | None:
    """Returns the processor time of a process, its descendants and its ended children."""
    tree = process_tree(root)
    if not tree:
        return None
    ticks = sum(int(field) for fields in tree for field in fields[11:15])
    return ticks / float(os.sysconf("SC_CLK_TCK"))


def memory_bytes(root: int) -> int:
    """Returns the resident memory of a process and its descendants."""
    return sum(int(fields[21]) for fields in process_tree(root)) * int(os.sysconf("SC_PAGE_SIZE"))


def read_gpus() -> list[dict[str, float]]:
    """Returns utilisation (%), memory (MiB) and power (W) of the granted NVIDIA GPUs, if any."""
    program, granted = shutil.which("nvidia-smi"), os.environ.get("CUDA_VISIBLE_DEVICES")
    if program is None or granted in ("", "-1"):
        return []
    command = [program, f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    command += ["-i", granted] if granted else []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    lines = (list(map(_number, line.split(","))) for line in done.stdout.splitlines())
    return [dict(zip(GPU_FIELDS, line, strict=True)) for line in lines if len(line) == 3]


def _number(text: str) -> float:
    """Returns a field of ``nvidia-smi``; 0 for what the device does not report."""
    with suppress(ValueError):
        if math.isfinite(value := float(text)):
            return value
    return 0.0


def read_rapl(root: Path = RAPL) -> dict[str, tuple[int, int]]:
    """Returns (microjoules, range) of each processor package; empty where it may not be read."""
    found = {}
    for package in sorted(root.glob("intel-rapl:[0-9]*")):
        with suppress(OSError, ValueError):
            if package.name.count(":") == 1:  # else a part of a package
                counter = int((package / "energy_uj").read_text())
                found[package.name] = (counter, int((package / "max_energy_range_uj").read_text()))
    return found


def rapl_joules(start: dict[str, tuple[int, int]], end: dict[str, tuple[int, int]]) -> float:
    """Returns the energy between two readings; a counter that began anew is continued once."""
    spent = 0
    for name, (before, size) in start.items():
        after = end.get(name, (before, size))[0]
        spent += after - before if after >= before else after + size - before
    return spent / 1e6
