"""What a study asks of a cluster: jobs, memory, time and GPU-hours by rule and partition.

From the profile's own numbers. GPU-hours "at most" are jobs x GPUs x time limit,
what an account must be able to pay. Those expected of a training follow from its
operations (``formulas``), or from tokens per second where any study on this disk
has trained the same foundation in the same way on such a device.
"""

import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayling_study.commands.plan.formulas import hours
from bayling_study.commands.plan.tables import table
from bayling_study.commands.plan.training import Tuning
from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.dag.layout import Layout
from bayling_study.dag.profiles import Profile, ResourceRequest
from bayling_study.shared.sizing.choice import CORES
from bayling_study.shared.sizing.minutes import job_minutes

HERE = "(here)"
HERE_RULES = {"download", "track"}
"""Rules that run where Snakemake runs (``localrules`` of the Snakefile)."""


@dataclass(frozen=True)
class Rate:
    """What a training of the same foundation measured, as its run record says."""

    tokens_per_second: float
    """Real tokens of one process, median over the steps."""
    processes: int
    device: str
    record: Path


def partition_tables(profile: Profile, counts: Mapping[str, int]) -> str:
    """Renders the jobs of a run from nothing, by rule and by partition."""
    asked = {rule: profile.request(rule) for rule in counts}
    rows = [_row(rule, counts[rule], asked[rule]) for rule in counts]
    header = ("rule", "jobs", "partition", "nodes", "GPUs", "memory", "limit", "GPU-hours at most")
    text = table(f"Jobs with the profile {profile.folder} (first attempts)", header, rows)
    jobs: Counter[str] = Counter()
    gpu_hours: dict[str, float] = {}
    for rule, count in counts.items():
        partition, most = _partition(rule, asked[rule]), _at_most(rule, count, asked[rule])
        jobs[partition] += count
        gpu_hours[partition] = gpu_hours.get(partition, 0.0) + most
    sums = [(name, str(count), f"{gpu_hours[name]:.0f}") for name, count in jobs.items()]
    return text + table("Jobs by partition", ("partition", "jobs", "GPU-hours at most"), sums)


def _row(rule: str, jobs: int, asked: ResourceRequest) -> tuple[str, ...]:
    if rule in HERE_RULES:
        return (rule, str(jobs), HERE, "", "", "", "", "")
    memory = f"{asked.mem_mb / 1000:g} GB" if asked.mem_mb else "the rule's"
    limit = f"{asked.minutes / 60:g} h" if asked.minutes else "the rule's"
    most = f"{_at_most(rule, jobs, asked):.0f}" if asked.gpus else ""
    gpus = f"{asked.gpus}{f' {asked.gpu_type}' if asked.gpu_type else ''}" if asked.gpus else ""
    return (rule, str(jobs), _partition(rule, asked), str(asked.nodes), gpus, memory, limit, most)


def _partition(rule: str, asked: ResourceRequest) -> str:
    return HERE if rule in HERE_RULES else asked.partition or "default"


def _at_most(rule: str, jobs: int, asked: ResourceRequest) -> float:
    return 0.0 if rule in HERE_RULES else jobs * asked.gpus * asked.minutes / 60


def training_hours(
    layout: Layout, tunings: Sequence[Tuning], profile: Profile, teraflops: float, share: float
) -> str:
    """Renders the GPU-hours that trainings are expected to take, and in how many jobs.

    Where nothing was measured, a training reaches a share of a device's bf16 peak.
    """
    asked = profile.request("tuning")
    rows = []
    for tuning in tunings:
        rate = similar(layout, tuning.system, asked)
        if rate is not None:
            expected = tuning.tokens / rate.tokens_per_second / 3600
            basis = f"measured: {rate.tokens_per_second:.0f} tokens/s per process, "
            basis += f"{rate.processes} x {rate.device} ({rate.record})"
        else:
            expected = hours(tuning.flops, teraflops, share)
            basis = f"6 N tokens at {share:.0%} of {teraflops:g} TFLOP/s"
        wall = expected / max(asked.gpus, 1)
        jobs = _chain(layout, tuning.system, wall, asked)
        rows.append((tuning.system, f"{expected:.1f}", f"{wall:.1f}", jobs, basis))
    header = ("system", "device hours", "wall-clock hours", "jobs, of those allowed", "basis")
    return table("Training with this profile", header, rows)


def _chain(layout: Layout, system: str, wall: float, asked: ResourceRequest) -> str:
    """Returns the jobs that a training takes one after the other, and how many it may take.

    A system's own ``budget_minutes`` counts, but ``attempts`` is the study's: all trainings
    are jobs of one rule.
    """
    minutes = job_minutes(layout.config.tuning_of(system).budget_minutes, asked.minutes)
    jobs = 1 if minutes is None else max(1, math.ceil(wall * 60 / minutes))
    return f"{jobs} of {layout.config.tuning.attempts}"


def similar(layout: Layout, system: str, asked: ResourceRequest) -> Rate | None:
    """Returns a rate that any study measured for such a training, or none.

    The foundation must be the same (its folder carries the hash of its source, so
    that equal names are equal models), and the precision, recomputation and kind of adapter.
    The device must be of the profile's GPU type, any GPU where it names none, and
    cores where it asks for no GPU. Of several the one with as many processes as the
    profile has counts, and then the newest; of another number the rate of a
    process is taken to be the same, which leaves out what they send each other.
    """
    foundation = layout.checkpoint(layout.base(system)).name
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
