"""What ``auto`` becomes: attention kernel, and stage, offload, packed length that fit the memory.
Tried from the fastest to the slowest: nothing in host memory before something, and then the lowest
stage, which sends least between processes. The first that fits counts; on a GPU sequences are then
packed as long as the rest of its memory holds."""

import itertools
import math
from typing import NamedTuple

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared.sizing.memory import TrainingMemory, packed_length, training_memory
from bayling_study.shared.sizing.shape import Shape

USABLE = 0.9
"""Share of a device's memory that a plan may fill: the rest is the CUDA context, libraries
and what the allocator cannot use."""
EAGER_LENGTH = 512
"""Longest conversations for which eager attention is used on the CPU, where SDPA is slow with a
mask: with SmolLM2-135M in bf16 and conversations of 256 tokens at most, steps took 12 % longer (two
threads). Eager attention's memory grows quadratically, though."""
GIBIBYTE = 1 << 30
CORES = "cpu"  # what a run record names as its device where there was no GPU


class Budget(NamedTuple):
    """The memory that there is, in bytes. Of a job's ``processes``, ``local`` share one machine;
    ``device`` is none where there is no GPU, ``host`` where the machine's memory is not known."""

    processes: int
    local: int
    device: int | None
    host: int | None

    def holds(self, need: TrainingMemory) -> bool:
        """Tells whether every process fits."""
        if self.device is not None and need.device > USABLE * self.device:
            return False
        return self.host is None or self.on_host(need) <= USABLE * self.host

    def on_host(self, need: TrainingMemory) -> int:
        """Returns what the processes of a machine need of its memory."""
        return self.local * (need.resident if self.device is None else need.host)


def attention_kernel(written: str, gpu: bool, flash_installed: bool, length: int) -> str:
    """Returns the kernel that the setting ``written`` becomes, itself where it is not ``auto``, for
    conversations of at most ``length`` tokens."""
    if written != "auto":
        return written
    if gpu:
        return "flash" if flash_installed else "flex"
    return "eager" if length <= EAGER_LENGTH else "sdpa"


class Choice(NamedTuple):
    """Settings without ``auto``, what each process needs, and whether the budget holds that."""

    tuning: TuningSection
    need: TrainingMemory
    fits: bool


def choose(
    shape: Shape, tuning: TuningSection, budget: Budget, attention: str, step_tokens: float
) -> Choice:
    """Returns settings in which no ``auto`` is left, the first that fit or those that need least,
    with the kernel ``attention``; a step of all processes has about ``step_tokens`` tokens."""
    # DeepSpeed can neither share out nor move weights in 4 bits.
    whole = tuning.adapter is None or tuning.adapter.kind != "qlora"
    # Not stage 1, whose form for bf16 keeps all gradients twice.
    stages = [2, *[3] * whole] if tuning.zero_stage == "auto" else [tuning.zero_stage]
    offloads = ["none"] if tuning.offload == "auto" else [tuning.offload]
    if tuning.offload == "auto" and budget.device is not None:
        offloads += ["optimizer", *["all"] * whole]

    def weighed(stage: int, offload: str, length: int) -> Choice:
        values = {"zero_stage": stage, "offload": offload, "micro_batch_tokens": length}
        chosen = tuning.model_copy(update=values)
        need = training_memory(shape, chosen, budget.processes, attention)
        return Choice(chosen, need, budget.holds(need))

    for offload, stage in itertools.product(offloads, stages):
        last = weighed(stage, offload, packed_length(tuning))
        if last.fits:
            break
    longer = tuning.micro_batch_tokens == "auto" and budget.device is not None
    if not (last.fits and longer):
        return last
    # The longest sequences that fit and that a step can fill.
    most = math.ceil(step_tokens / budget.processes / tuning.max_length)
    lengths = (times * tuning.max_length for times in range(most, 1, -1))
    choices = (weighed(stage, offload, length) for length in lengths)
    return next((choice for choice in choices if choice.fits), last)


def shortfall(need: TrainingMemory, budget: Budget) -> str | None:
    """Returns what is needed and what there is, where that is too little."""
    if budget.holds(need):
        return None
    if budget.device is not None and need.device > USABLE * budget.device:
        own = _gib(need.device)
        what = f"each process needs {own} of GPU memory, there are {_gib(budget.device)}"
    else:
        who = "all processes" if budget.device is None else "the offloaded states"
        host, there = budget.on_host(need), budget.host or 0
        what = f"{who} need {_gib(host)}, the machine has {_gib(there)}"
    return f"{what}, of which {USABLE:.0%} may be planned"


def check(choice: Choice, budget: Budget) -> None:
    """Checks that a choice fits (``StudyError``: what is needed and what there is)."""
    if what := shortfall(choice.need, budget):
        fix = "grant more GPUs or memory, or tuning: {gradient_checkpointing: true}, or an adapter"
        raise StudyError(what, where="tuning.zero_stage", fix=fix)


def _gib(size: float) -> str:
    return f"{size / GIBIBYTE:.1f} GiB"
