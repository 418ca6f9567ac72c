"""What tuning a system will take: tokens, operations, hours and memory."""

import math
from dataclasses import replace
from typing import NamedTuple

from bayling_study.config.tuning import TuningSection
from bayling_study.dag.chain import mixture_tokens, training_flops
from bayling_study.dag.layout import Layout
from bayling_study.shared.sizing.attention import attention_kernel
from bayling_study.shared.sizing.choice import Budget, choose
from bayling_study.shared.sizing.memory import TrainingMemory, heap_holes, packed_length
from bayling_study.shared.sizing.shape import Shape


class Tuning(NamedTuple):
    """One tuning job: model FLOPs and memory of each process; in its settings no ``auto`` is
    left."""

    system: str
    tokens: float
    """Tokens read in all epochs."""
    measured_tokens: bool
    """The mixture exists; else ``tokens`` is its upper limit."""
    flops: float
    memory: TrainingMemory
    settings: TuningSection


def tuning_plan(layout: Layout, system: str, shape: Shape, budget: Budget) -> Tuning:
    """Returns the plan of one tuning job, its ``auto`` settings as the job will choose them: on a
    GPU without the package flash-attn, which the environment has not."""
    written = layout.config.tuning_of(system)
    once, counted = mixture_tokens(layout, system)
    conversations = layout.mixture(system).conversations
    tokens = once * written.passes(conversations, once)
    flops = training_flops(shape, written, tokens)
    step = written.batch_tokens or written.batch * once / conversations
    gpu = budget.device is not None
    kernel = attention_kernel(written.attention, gpu, False, packed_length(written))
    choice = choose(shape, written, budget, kernel, step)
    need = choice.need
    if not gpu:
        steps = min(tokens / step, written.max_steps or math.inf)
        need = replace(need, holes=heap_holes(need, steps))
    return Tuning(system, tokens, counted, flops, need, choice.tuning)
