"""How long a training takes on a cluster, and so in how many jobs, one after the other. Device
hours follow from its operations, at a share of a device's peak, or from the tokens a second of any
study on this disk that has trained the same foundation in the same way on such a device."""

import math
import re
import statistics
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.config.systems import TunedSystem
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.dag.layout import Layout
from bayling_study.dag.profiles import ResourceRequest
from bayling_study.dag.shapes import study_models
from bayling_study.shared.sizing.choice import CORES
from bayling_study.shared.sizing.memory import trained_parameters
from bayling_study.shared.sizing.minutes import job_minutes
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sizing.speed import FROZEN, TRAINED

A100_TFLOPS = 312.0  # dense bf16 peak of one NVIDIA A100, from its data sheet
CORES_TFLOPS = 0.05
"""What a job without a GPU is taken to reach at most: a modest node's cores. Matrix products of
one core with bf16 instructions reached 0.4 (AMD EPYC of 2024), those of one without far less."""
UTILISATION = 0.4
"""Model FLOPs utilisation: the share of the peak that 6 N operations per token reach."""
SLOWER = 1.5
"""Jobs that ``attempts: auto`` allows for each planned one, for a rate that nobody measured."""
FAILING = 2  # jobs that it allows to fail


class Rate(NamedTuple):
    """What a training of the same foundation measured, as its run record says."""

    tokens_per_second: float  # real tokens of one process, median over the steps
    processes: int
    device: str
    record: Path


class Chain(NamedTuple):
    """A training as jobs of a cluster: hours of all devices and by the clock, and their basis."""

    device_hours: float
    hours: float
    jobs: int
    basis: str
    measured: bool
    minutes: float | None  # of a job; none without a limit

    @property
    def allowed(self) -> int:
        """Returns the jobs that ``attempts: auto`` allows."""
        return int(self.jobs * (1 if self.measured else SLOWER)) + FAILING


def mixture_tokens(layout: Layout, system: str) -> tuple[float, bool]:
    """Returns the tokens of a tuned system's mixture, and whether they are counted. Without a run
    record of synthesis, each conversation is taken to be as long as it may be."""
    name = layout.instructions(system).name
    record = layout.study / "runs" / "synthesis" / f"{name}.json"
    tokens = read_json(record)["metrics"].get("tokens.real") if record.is_file() else None
    if tokens is not None:
        return float(tokens), True
    mixture = layout.mixture(system)
    return float(mixture.conversations * mixture.max_tokens), False


def training_flops(shape: Shape, tuning: TuningSection, tokens: float) -> float:
    """Returns the model FLOPs of training on ``tokens``: 6 a parameter and token. With adapters 4
    for the frozen parameters and 6 for the adapters' own (Kaplan et al. 2020, "Scaling Laws for
    Neural Language Models"). What a device computes again does not count."""
    if tuning.adapter is None:
        return TRAINED * shape.parameters() * tokens
    return (FROZEN * shape.parameters() + TRAINED * trained_parameters(shape, tuning)) * tokens


def hours(flops: float, teraflops: float, utilisation: float) -> float:
    """Returns the device hours of model FLOPs at a peak rate and a model FLOPs utilisation."""
    return flops / (teraflops * 1e12 * utilisation) / 3600


def chain(
    layout: Layout, system: str, shape: Shape, asked: ResourceRequest,
    teraflops: float | None = None, share: float = UTILISATION,
) -> Chain:  # fmt: skip
    """Returns the jobs in which a system is trained, each with the resources and time ``asked``.
    Where nothing was measured, training reaches a share of a device's peak, ``teraflops`` (by
    default an A100's, or that of cores)."""
    tuning = layout.config.tuning_of(system)
    tokens = mixture_tokens(layout, system)[0]
    tokens *= tuning.passes(layout.mixture(system).conversations, tokens)
    if (rate := similar(layout, system, asked)) is None:
        teraflops = teraflops or (A100_TFLOPS if asked.gpus else CORES_TFLOPS)
        spent = hours(training_flops(shape, tuning, tokens), teraflops, share)
        basis = f"6 N tokens at {share:.0%} of {teraflops:g} TFLOP/s"
    else:
        spent = tokens / rate.tokens_per_second / 3600
        basis = f"measured: {rate.tokens_per_second:.0f} tokens/s per process, "
        basis += f"{rate.processes} x {rate.device} ({rate.record})"
    wall = spent / max(asked.gpus, 1)
    minutes = job_minutes(tuning.budget_minutes, asked.minutes)
    jobs = 1 if minutes is None else max(1, math.ceil(wall * 60 / minutes))
    return Chain(spent, wall, jobs, basis, rate is not None, minutes)


def attempts(layout: Layout, asked: ResourceRequest) -> int:
    """Returns the jobs that each training of a study may take: all are jobs of one rule. ``auto``
    is what the longest needs, and some in reserve; of a model whose shape is not known, one."""
    written = layout.config.tuning.attempts
    if written != "auto":
        return written
    models = study_models(layout)
    shapes = ((name, models[name].shape) for name in layout.names(TunedSystem))
    chains = [chain(layout, name, shape, asked) for name, shape in shapes if shape]
    return max((one.allowed for one in chains), default=1 + FAILING)


def similar(layout: Layout, system: str, asked: ResourceRequest) -> Rate | None:
    """Returns a rate that any study measured for such a training, or none.

    The foundation (its folder's name carries its source's hash), precision, recomputation and kind
    of adapter must be the same; the device of the profile's GPU type, any GPU where it names none,
    cores where it asks for none. Of several, one of as many processes as the profile has counts,
    then the newest; of another number a process' rate is taken to be the same, which leaves out
    what they send each other.
    """
    foundation = layout.checkpoint(layout.config.untuned(system)).name
    settings = layout.config.tuning_of(system)
    records = layout.study.parent.glob("*/runs/tuning/*.json")
    newest = sorted(records, key=lambda path: path.stat().st_mtime, reverse=True)
    rates = (_rate(path, foundation, settings) for path in newest)
    found = [rate for rate in rates if rate is not None and _suits(rate.device, asked)]
    return min(found, key=lambda rate: rate.processes != max(asked.gpus, 1), default=None)


def _suits(device: str, asked: ResourceRequest) -> bool:
    """Tells whether a device is what the profile asks for: ``a100`` is in ``NVIDIA A100-…``."""
    if not asked.gpus or device == CORES:
        return not asked.gpus and device == CORES
    wanted = re.split(r"[-_ ]+", asked.gpu_type.lower()) if asked.gpu_type else []
    return set(wanted) <= {"nvidia", *re.split(r"[-_ ]+", device.lower())}


def _rate(path: Path, foundation: str, settings: TuningSection) -> Rate | None:
    try:
        record: dict[str, Any] = read_json(path)
        made_from = record["inputs"]["foundation"]["path"]
        parameters = record["parameters"]
        device, processes = str(parameters["device"]), int(parameters["processes"])
        speeds = [point["values"]["real_tokens_per_second"] for point in record["history"]]
    except (StudyError, KeyError):  # a record of a job that did not come so far, or an older one
        return None
    manner = {  # what decides the speed of a device
        "tuning.precision": settings.precision,
        "tuning.gradient_checkpointing": settings.gradient_checkpointing,
        "tuning.adapter.kind": None if settings.adapter is None else settings.adapter.kind,
    }
    same = all(parameters.get(key) == value for key, value in manner.items())
    if Path(made_from).name != foundation or not speeds or not same:
        return None
    return Rate(statistics.median(speeds) / processes, processes, device, path)
