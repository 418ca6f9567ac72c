"""The machine or the cluster that a study is planned for, and what its trainings take there."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bayling_study.commands.plan.counts import SHARED, SUPERVISED, mixture_of
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.dag.chain import Chain, mixture_tokens, training_flops
from bayling_study.dag.layout import Layout
from bayling_study.dag.profiles import ResourceRequest
from bayling_study.shared.sizing.choice import GIBIBYTE, Budget, attention_kernel, choose, shortfall
from bayling_study.shared.sizing.host import host_bytes
from bayling_study.shared.sizing.memory import (
    TrainingMemory,
    heap_holes,
    packed_length,
    training_memory,
)
from bayling_study.shared.sizing.shape import Shape

MEGABYTE = 10**6
FULLEST = 1.3  # tokens of a training's longest step per token of its mean one; measured: 1.27
GPU_FILES = ("nvidia[0-9]*", "nvidiactl", "kfd", "dxg")
"""Files in /dev of the drivers of NVIDIA, of AMD, and of Windows' Linux."""
NOT_CHECKED = "host memory unknown and not checked: --host-gib 500"
ROOMIER = """\
tuning: {zero_stage: 3, offload: auto, gradient_checkpointing: true}
or plan for the cluster that trains: make plan PLAN='--gpus 8 --gpu-gib 80'
or more host memory: mem_mb of tuning in the profile, or PLAN='… --host-gib 500'"""


class Machine(NamedTuple):
    """Where training runs, in words, and the memory that it has there."""

    name: str
    budget: Budget


def machine(
    gpus: int | None, gpu_gib: float | None, processes: int | None, host_gib: float | None = None,
    asked: ResourceRequest | None = None,
) -> Machine:  # fmt: skip
    """Returns the cluster with so many GPUs, all together; without any, this machine. Host memory
    is that of each node: as given, what the profile grants a training in its first attempt
    (``asked``), or this machine's (``StudyError``: a memory is 0 or less, or only one of the number
    and the memory of GPUs is given)."""
    if host_gib is not None and host_gib <= 0:
        raise StudyError("a node must have some host memory", fix="--host-gib 500")
    if (gpus is None) != (gpu_gib is None):
        what = "the number and the memory of GPUs go together"
        raise StudyError(what, fix="--gpus 8 --gpu-gib 80")
    if gpus is None or gpu_gib is None:
        return this_machine(processes, host_gib)
    if gpus < 1 or gpu_gib <= 0:
        raise StudyError("there must be a GPU with some memory", fix="--gpus 8 --gpu-gib 80")
    nodes = asked.nodes if asked is not None and gpus % asked.nodes == 0 else 1
    host, basis = _granted(host_gib, asked)
    where = f" on {nodes} nodes" if nodes > 1 else ""
    name = f"{gpus} GPUs of {gpu_gib:g} GiB{where}, {basis}"
    return Machine(name, Budget(gpus, gpus // nodes, int(gpu_gib * GIBIBYTE), host))


def _granted(host_gib: float | None, asked: ResourceRequest | None) -> tuple[int | None, str]:
    """Returns the host memory of a node of the cluster, and where that is from."""
    if host_gib is not None:
        return int(host_gib * GIBIBYTE), f"{host_gib:g} GiB of host memory (--host-gib)"
    if asked is not None and asked.mem_mb:
        size = asked.mem_mb * MEGABYTE
        return size, f"{size / GIBIBYTE:.0f} GiB of host memory (the profile's mem_mb of tuning)"
    return None, NOT_CHECKED


def gpu_here(devices: Path = Path("/dev")) -> bool:
    """Tells whether there may be a GPU: by the files of its driver, for torch takes a second."""
    return any(any(devices.glob(pattern)) for pattern in GPU_FILES)


def this_machine(processes: int | None, host_gib: float | None = None) -> Machine:
    """Returns this machine: its GPUs, or its host where it has none."""
    host = host_bytes() if host_gib is None else int(host_gib * GIBIBYTE)
    cards: list[int] = []
    if gpu_here():
        from torch import cuda

        cards = [cuda.get_device_properties(n).total_memory for n in range(cuda.device_count())]
    used, memory = processes or len(cards) or 1, min(cards, default=None)
    name = f"this machine, no GPU, {used} process(es), {host / GIBIBYTE:.0f} GiB"
    if memory is not None:
        name = f"this machine, {len(cards)} GPUs of {memory / GIBIBYTE:.0f} GiB"
    return Machine(name, Budget(used, used, memory, host))


class Tuning(NamedTuple):
    """One tuning job: model FLOPs and memory of each process; in its settings no ``auto`` is
    left."""

    system: str
    tokens: float  # tokens read in all epochs
    measured_tokens: bool  # the mixture exists; else ``tokens`` is its upper limit
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
    kernel = attention_kernel(written.attention, gpu, False, written.max_length)
    choice = choose(shape, written, budget, kernel, step)
    need = choice.need
    if not gpu:
        steps = min(tokens / step, written.max_steps or math.inf)
        # The choice is made by what a step may have at most; this is what it is expected to have.
        count, filled = mixture_of(layout, system)
        mean = SHARED * (written.batch_tokens or written.batch * filled / count) / budget.processes
        longest = min(packed_length(choice.tuning), max(written.max_length, round(FULLEST * mean)))
        tuning = choice.tuning.model_copy(update={"micro_batch_tokens": longest})
        supervised = round(SUPERVISED / SHARED * longest)
        need = training_memory(shape, tuning, budget.processes, kernel, supervised)
        need = need._replace(holes=heap_holes(need, steps))
    return Tuning(system, tokens, counted, flops, need, choice.tuning)


def check_memory(where: Machine, tuning: Tuning) -> None:
    """Checks that a training fits the memory there is, by the rule of the job itself
    (``StudyError``: what is too large, and what to change)."""
    if what := shortfall(tuning.memory, where.budget):
        what = f"tuning {tuning.system!r} does not fit: {what} ({where.name})"
        raise StudyError(what, where="tuning", fix=ROOMIER)


def check_attempts(chains: Mapping[str, Chain], allowed: int) -> None:
    """Checks that no training needs more jobs than the study allows (``StudyError``: it would end
    before its last step; what to write)."""
    for name, one in chains.items():
        if one.jobs > allowed:
            what = f"training {name!r} takes {one.jobs} jobs of {one.minutes:.0f} minutes "
            what += f"({one.hours:.1f} hours; {one.basis}), and {allowed} are allowed"
            fix = f"tuning: {{attempts: {one.allowed}}}\n"
            fix += "or tuning: {attempts: auto}, which counts jobs as the plan does by default"
            raise StudyError(what, where="tuning.attempts", fix=fix)
