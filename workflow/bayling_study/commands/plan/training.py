"""What tuning a system will take: tokens, operations, hours and memory."""

import math
import statistics
from dataclasses import dataclass, replace
from typing import Any

from bayling_study.config.systems import TunedSystem
from bayling_study.config.tuning import TuningSection
from bayling_study.core.files import read_json
from bayling_study.dag.chain import mixture_tokens, training_flops
from bayling_study.dag.layout import Layout
from bayling_study.shared.sizing.attention import attention_kernel
from bayling_study.shared.sizing.choice import Budget, choose
from bayling_study.shared.sizing.memory import TrainingMemory, heap_holes, packed_length
from bayling_study.shared.sizing.shape import Shape


@dataclass(frozen=True)
class Tuning:
    """One tuning job: model FLOPs, memory of each process, and what an earlier run measured.

    The settings are those of the section ``tuning``, with ``auto`` resolved.
    """

    system: str
    tokens: float
    """Tokens read in all epochs."""
    measured_tokens: bool
    """The mixture exists; else ``tokens`` is its upper limit."""
    flops: float
    memory: TrainingMemory
    settings: TuningSection
    measured: "MeasuredTraining | None"


@dataclass(frozen=True)
class MeasuredTraining:
    """What a run record of the same study and system holds."""

    tokens_per_second: float
    """Median over the steps, all processes together."""
    processes: int
    memory_gib: float
    """The largest of the first process, on its device or resident."""


def tuning_plan(layout: Layout, system: str, shape: Shape, budget: Budget) -> Tuning:
    """Returns the plan of one tuning job, its ``auto`` settings as the job will choose them.

    A GPU of the plan is taken to have no package flash-attn, for the environment has none.
    """
    written = layout.config.tuning_of(system)
    once, counted = mixture_tokens(layout, system)
    tokens = once * written.epochs
    flops = training_flops(shape, written, tokens)
    mixture = layout.config.synthesis.mixtures[layout.system(system, TunedSystem).mixture]
    step = written.batch_tokens or written.batch * once / mixture.conversations
    gpu = budget.device is not None
    kernel = attention_kernel(written.attention, gpu, False, packed_length(written))
    choice = choose(shape, written, budget, kernel, step)
    need, before = choice.need, measured(layout, system)
    if not gpu:
        steps = min(tokens / step, written.max_steps or math.inf)
        need = replace(need, holes=heap_holes(need, steps))
    return Tuning(system, tokens, counted, flops, need, choice.tuning, before)


def measured(layout: Layout, system: str) -> MeasuredTraining | None:
    """Reads an earlier run of a tuning job; none where no step is recorded."""
    path = layout.study / "runs" / "tuning" / f"{system}.json"
    record: dict[str, Any] = read_json(path) if path.is_file() else {}
    points = [point["values"] for point in record.get("history", [])]
    if not points:
        return None
    return MeasuredTraining(
        statistics.median(point["real_tokens_per_second"] for point in points),
        int(record["parameters"]["processes"]),
        max(point["memory_gib"] for point in points),
    )
