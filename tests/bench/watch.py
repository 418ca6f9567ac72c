"""What work costs: wall time, processor time, and peak memory and disk, for the benchmarks."""

from __future__ import annotations

import os
import resource
import threading
import time
from pathlib import Path

import psutil

SHORTEST = 0.1
"""Seconds between two looks; more where a look takes long."""
SHARES = {True: 0.02, False: 0.05}
"""Largest share of the time that is spent with looking, where that counts as work and else."""


class Watch:
    """Wall time, processor time and the peak memory of this process and its children.

    Memory is the proportional set size: what processes share counts once.

    Attributes:
        wall, cpu: seconds; of processor time that of children that have ended.
        peak: bytes of memory.
        disk: bytes that ``folder`` held at its fullest, what was there before included.
        others: cores that all other programs of the machine kept busy, on average.
    """

    def __init__(self, folder: Path | None = None, own: bool = True) -> None:
        """``own``: whether this process counts, or its children alone."""
        self.folder, self.own = folder, own
        self.peak = self.disk = 0
        self.wall = self.cpu = self.others = 0.0

    def __enter__(self) -> Watch:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._me = psutil.Process()
        self._busy, self._all = _busy_seconds(), _cpu_seconds(True)
        self._wall, self._cpu = time.perf_counter(), _cpu_seconds(self.own)
        self._thread.start()
        return self

    def _look(self) -> None:
        pause = SHORTEST
        while not self._done.wait(pause):
            start = time.perf_counter()
            self._measure()
            pause = max(SHORTEST, (time.perf_counter() - start) / SHARES[self.own])

    def _measure(self) -> None:
        total = 0
        for process in [self._me] * self.own + self._me.children(recursive=True):
            try:
                total += process.memory_full_info().pss
            except psutil.Error:  # it has just ended
                continue
        self.peak = max(self.peak, total)
        if self.folder is not None:
            self.disk = max(self.disk, folder_bytes(self.folder))

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.wall = time.perf_counter() - self._wall
        self.cpu = _cpu_seconds(self.own) - self._cpu
        if self.folder is not None:  # what is left at the end may have come since the last look
            self.disk = max(self.disk, folder_bytes(self.folder))
        others = _busy_seconds() - self._busy - (_cpu_seconds(True) - self._all)
        self.others = max(0.0, others / self.wall)


def _cpu_seconds(own: bool) -> float:
    kinds = [resource.RUSAGE_SELF] * own + [resource.RUSAGE_CHILDREN]
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system)


def folder_bytes(folder: Path) -> int:
    """Returns what a folder takes on disk; a file with several names counts once."""
    sizes: dict[tuple[int, int], int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(place, name))
            except FileNotFoundError:  # a file in the making was renamed
                continue
            sizes[status.st_dev, status.st_ino] = 512 * status.st_blocks
    return sum(sizes.values())
