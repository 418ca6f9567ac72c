"""How every side is timed: warmed up first, and without loading. Imports nothing but Python."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP = 4
Answer = Callable[[list[list[int]]], list[list[int]]]
"""Ids of prompts to ids of their answers, in the same order."""


def shared_start(prompts: list[list[int]]) -> int:
    """Returns how many tokens all prompts begin with; each keeps one of its own."""
    first, last = min(prompts), max(prompts)  # all others lie between these two
    most = min(map(len, prompts)) - 1
    return next((n for n in range(most) if first[n] != last[n]), most)


def report(task: dict[str, Any], answer: Answer, version: str) -> None:
    """Answers a few prompts, then all of them by the clock, and writes ids and seconds."""
    answer(task["prompts"][:WARM_UP])
    busy, wall, processor = _busy(), time.perf_counter(), time.process_time()
    answers = answer(task["prompts"])
    seconds = time.process_time() - processor
    wall, busy = time.perf_counter() - wall, _busy() - busy
    values = {
        "version": version,
        "answers": answers,
        "wall": wall,
        "processor": seconds,
        "others": max(0.0, busy - seconds) / wall,
    }
    Path(task["out"]).write_text(json.dumps(values), encoding="utf-8")


def _busy() -> float:
    """Returns the processor seconds that the whole machine has worked (Linux)."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
