"""What ``auto`` becomes: ZeRO stage, offload and packed length that fit the memory.

Tried from the fastest to the slowest: nothing in host memory before something,
and then the lowest stage, which sends least between processes. The first that
fits counts; sequences are then packed as long as the rest of the memory holds, where
the attention kernel gains from that.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared.sizing.memory import TrainingMemory, training_memory
from bayling_study.shared.sizing.shape import Shape

USABLE = 0.9
"""Share of a device's memory that a plan may fill: the rest is the CUDA context, libraries
and what the allocator cannot use."""
LONG_KERNELS = ("flash", "flex")
"""Kernels whose work does not grow quadratically, so that long packed sequences are cheaper."""
GIBIBYTE = 1 << 30
CORES = "cpu"
"""What a run record names as its device where there was no GPU."""


@dataclass(frozen=True)
class Room:
    """The memory that there is.

    Attributes:
        processes: number of processes of the job.
        local: those of one machine, which share its memory.
        device: bytes of each GPU, or none where there is none.
        host: bytes of the machine, or none where it is not known.
    """

    processes: int
    local: int
    device: int | None
    host: int | None

    def holds(self, need: TrainingMemory) -> bool:
        """Tells whether every process fits."""
        host = self.local * need.host
        if self.device is None:
            host += self.local * need.device
        elif need.device > USABLE * self.device:
            return False
        return self.host is None or host <= USABLE * self.host


@dataclass(frozen=True)
class Choice:
    """Settings without ``auto``, and what they need.

    Attributes:
        tuning: the settings.
        need: bytes of each process.
        fits: whether the room holds it.
    """

    tuning: TuningSection
    need: TrainingMemory
    fits: bool


def choose(
    shape: Shape, tuning: TuningSection, room: Room, attention: str, step_tokens: float
) -> Choice:
    """Returns settings in which no ``auto`` is left: the first that fit, or those that need least.

    Args:
        shape: of the model.
        tuning: the settings as written.
        room: the memory that there is.
        attention: kernel that will be used.
        step_tokens: tokens of a step of all processes, about.
    """
    length = tuning.max_length if tuning.micro_batch_tokens == "auto" else tuning.micro_batch_tokens
    last: Choice | None = None
    for offload, stage in itertools.product(_offloads(tuning, room), _stages(tuning)):
        values = {"zero_stage": stage, "offload": offload, "micro_batch_tokens": length}
        last = _weigh(shape, tuning, values, room, attention)
        if last.fits:
            return _lengthen(shape, last, room, attention, step_tokens, tuning)
    assert last is not None
    return last


def _stages(tuning: TuningSection) -> list[int]:
    """Returns the stages to try; not 1, whose form for bf16 keeps all gradients twice."""
    if tuning.zero_stage != "auto":
        return [tuning.zero_stage]
    return [2] if _four_bits(tuning) else [2, 3]


def _offloads(tuning: TuningSection, room: Room) -> list[str]:
    if tuning.offload != "auto":
        return [tuning.offload]
    if room.device is None:
        return ["none"]
    return ["none", "optimizer", *([] if _four_bits(tuning) else ["all"])]


def _four_bits(tuning: TuningSection) -> bool:
    """Tells whether the weights are in 4 bits, which DeepSpeed can neither share out nor move."""
    return tuning.adapter is not None and tuning.adapter.kind == "qlora"


def _weigh(
    shape: Shape, tuning: TuningSection, values: dict[str, Any], room: Room, attention: str
) -> Choice:
    chosen = tuning.model_copy(update=values)
    need = training_memory(shape, chosen, room.processes, attention)
    return Choice(chosen, need, room.holds(need))


def _lengthen(
    shape: Shape,
    choice: Choice,
    room: Room,
    attention: str,
    step_tokens: float,
    tuning: TuningSection,
) -> Choice:
    """Returns the choice with the longest sequences that fit and that a step can fill."""
    if tuning.micro_batch_tokens != "auto" or attention not in LONG_KERNELS or room.device is None:
        return choice
    most = math.ceil(step_tokens / room.processes / tuning.max_length)
    for times in range(most, 1, -1):
        values = {"micro_batch_tokens": times * tuning.max_length}
        longer = _weigh(shape, choice.tuning, values, room, attention)
        if longer.fits:
            return longer
    return choice


def shortfall(need: TrainingMemory, room: Room) -> str | None:
    """Returns what is needed and what there is, where that is too little."""
    if room.holds(need):
        return None
    host = room.local * need.host
    if room.device is None:
        host += room.local * need.device
        what = f"all processes need {_gib(host)}, the machine has {_gib(room.host or 0)}"
    elif need.device > USABLE * room.device:
        what = (
            f"each process needs {_gib(need.device)} of GPU memory, there are {_gib(room.device)}"
        )
    else:
        what = f"the offloaded states need {_gib(host)}, the machine has {_gib(room.host or 0)}"
    return f"{what}, of which {USABLE:.0%} may be planned"


def check(choice: Choice, room: Room) -> None:
    """Checks that a choice fits.

    Raises:
        StudyError: tells what is needed and what there is.
    """
    what = shortfall(choice.need, room)
    if what is not None:
        raise StudyError(
            what,
            where="tuning.zero_stage",
            fix="grant more GPUs or memory, or tuning: {gradient_checkpointing: true}, or an "
            "adapter",
        )


def _gib(size: float) -> str:
    return f"{size / GIBIBYTE:.1f} GiB"
