"""A process's memory: checked against the plan, and given back where it is free.

Sequences differ in length, so on CPU every step asks for blocks of other sizes, and glibc's heap
grows round the holes. Trimming it stops that; at every step it cost more in page faults than it was
worth.
"""

import ctypes

import psutil
import torch

from bayling_study.config.tuning import TuningSection
from bayling_study.shared.sizing.choice import GIBIBYTE
from bayling_study.shared.sizing.memory import training_memory
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.tracking.host import peak_memory_bytes

PREPARED = {
    "LRU_CACHE_CAPACITY": "128",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
}
"""Variables of the processes that train. The first two limit what torch and oneDNN, each for
itself, keep of products of matrices by their sizes: 1,024 each by default, which no later step, of
other sizes, asks for. With SmolLM2-135M that was 0.02 GiB more a step, up to 0.5 GiB, with holes
round them. The others keep blocks of up to 256 MiB on glibc's heap: by default the system takes
back those of 32 MiB and more, and the heap's end, and clears every page when the next step asks
for it (SmolLM2-135M, 30 steps on one core: 122 processor seconds without, 111 with them)."""
TRIM_STEPS = 8  # optimiser steps between two trims


def release_free_memory() -> None:
    """Returns free heap pages to the system, where the C library can do that."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)


class MemoryCheck:
    """Compares the formula of the memory plan with what training took. Make it before the model is
    loaded: on the CPU, what the libraries take by then is in no formula. What they take later (0.2
    GiB) is in the measured number. ``shape`` is none where it is not known, ``tuning`` has no
    ``auto``, ``attention`` is the kernel."""

    def __init__(
        self, shape: Shape | None, tuning: TuningSection, processes: int, attention: str
    ) -> None:
        self.shape, self.tuning = shape, tuning
        self.processes, self.attention = processes, attention
        self.base = 0 if torch.cuda.is_available() else psutil.Process().memory_info().rss
        self.longest = self.supervised = 1

    def note(self, length: int, supervised: int) -> None:
        """Takes note of a computed sequence: its tokens and how many of them are supervised."""
        self.longest, self.supervised = max(self.longest, length), max(self.supervised, supervised)

    def result(self) -> dict[str, float]:
        """Returns GiB: by the formula for the longest sequence, measured, and of libraries."""
        libraries = self.base / GIBIBYTE
        values = {"memory_measured_gib": peak_gib() - libraries, "memory_libraries_gib": libraries}
        if self.shape is not None:
            tuning = self.tuning.model_copy(update={"micro_batch_tokens": self.longest})
            spread = self.processes, self.attention
            need = training_memory(self.shape, tuning, *spread, self.supervised)
            on_host = need.host if self.base else 0
            values["memory_planned_gib"] = (need.device + on_host) / GIBIBYTE
        return values


def peak_gib() -> float:
    """Returns this process's peak memory: of the GPU where there is one, else resident."""
    on_gpu = torch.cuda.is_available()
    return float(torch.cuda.max_memory_allocated() if on_gpu else peak_memory_bytes()) / GIBIBYTE
