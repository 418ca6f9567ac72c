"""What a study asks of a cluster: jobs, memory, time and GPU-hours by rule and partition.

From the profile's own numbers. GPU-hours "at most" are jobs x GPUs x time limit,
what an account must be able to pay. Those expected of a training follow from its
operations (``formulas``), or from tokens a second where any study on this disk
has trained the same foundation.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayling_study.errors import StudyError
from bayling_study.files import read_json
from bayling_study.layout import Layout
from bayling_study.plan.formulas import hours
from bayling_study.plan.tables import table
from bayling_study.plan.training import Tuning
from bayling_study.profiles import Profile, Request

HERE = "(here)"
HERE_RULES = {"download", "track"}
"""Rules that run where Snakemake runs (``localrules`` of the Snakefile)."""


@dataclass(frozen=True)
class Rate:
    """What a training of the same foundation measured.

    Attributes:
        tokens_per_second: real tokens of one process, median over the steps.
        record: the run record it is from.
    """

    tokens_per_second: float
    record: Path


def partition_tables(profile: Profile, counts: Mapping[str, int]) -> str:
    """Renders the jobs of a run from nothing, by rule and by partition."""
    asked = {rule: profile.request(rule) for rule in counts}
    rows = [_row(rule, counts[rule], asked[rule]) for rule in counts]
    header = ("rule", "jobs", "partition", "nodes", "GPUs", "memory", "limit", "GPU-hours at most")
    text = table(f"Jobs with the profile {profile.folder} (first attempts)", header, rows)
    places: dict[str, list[str]] = {}
    for rule in counts:
        places.setdefault(_place(rule, asked[rule]), []).append(rule)
    sums = [
        (
            place,
            str(sum(counts[rule] for rule in rules)),
            f"{sum(_at_most(rule, counts[rule], asked[rule]) for rule in rules):.0f}",
        )
        for place, rules in places.items()
    ]
    return text + table("Jobs by partition", ("partition", "jobs", "GPU-hours at most"), sums)


def _row(rule: str, jobs: int, asked: Request) -> tuple[str, ...]:
    if rule in HERE_RULES:
        return (rule, str(jobs), HERE, "", "", "", "", "")
    memory = f"{asked.mem_mb / 1000:g} GB" if asked.mem_mb else "the rule's"
    limit = f"{asked.minutes / 60:g} h" if asked.minutes else "the rule's"
    most = f"{_at_most(rule, jobs, asked):.0f}" if asked.gpus else ""
    gpus = f"{asked.gpus}{f' {asked.gpu_type}' if asked.gpu_type else ''}" if asked.gpus else ""
    return (rule, str(jobs), _place(rule, asked), str(asked.nodes), gpus, memory, limit, most)


def _place(rule: str, asked: Request) -> str:
    return HERE if rule in HERE_RULES else asked.partition or "default"


def _at_most(rule: str, jobs: int, asked: Request) -> float:
    return 0.0 if rule in HERE_RULES else jobs * asked.gpus * asked.minutes / 60


def training_hours(
    layout: Layout, tunings: Sequence[Tuning], profile: Profile, teraflops: float, share: float
) -> str:
    """Renders the GPU-hours that trainings are expected to take, and in how many jobs.

    Args:
        layout: the study.
        tunings: its trainings.
        profile: says how many GPUs a training has, and for how long a job may run.
        teraflops: bf16 peak of a device.
        share: of the peak that training reaches, where nothing was measured.
    """
    asked = profile.request("tune")
    rows = []
    for tuning in tunings:
        rate = similar(layout, tuning.system)
        if rate is not None:
            expected = tuning.tokens / rate.tokens_per_second / 3600
            basis = f"{rate.tokens_per_second:.0f} tokens/s a process ({rate.record})"
        else:
            expected = hours(tuning.flops, teraflops, share)
            basis = f"{share:.0%} of {teraflops:g} TFLOPS"
        wall = expected / max(asked.gpus, 1)
        jobs = -(-wall * 60 // asked.minutes) if asked.minutes else 1
        chain = f"{jobs:.0f} of {layout.config.tuning.attempts}"
        rows.append((tuning.system, f"{expected:.1f}", f"{wall:.1f}", chain, basis))
    header = ("system", "device hours", "hours on the wall", "jobs of attempts", "basis")
    return table("Training with this profile", header, rows)


def similar(layout: Layout, system: str) -> Rate | None:
    """Returns the newest measured rate of any study that trained the same foundation.

    A foundation's folder carries the hash of its source, so that equal names are
    equal models.
    """
    foundation = layout.checkpoint(layout.base(system)).name
    records = sorted(
        layout.study.parent.glob("*/runs/tuning/*.json"),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    found = (_rate(path, foundation) for path in records)
    return next((rate for rate in found if rate is not None), None)


def _rate(path: Path, foundation: str) -> Rate | None:
    try:
        record: dict[str, Any] = read_json(path)
        made_from = record["inputs"]["foundation"]["path"]
        processes = int(record["parameters"]["processes"])
        speeds = [point["values"]["real_tokens_per_second"] for point in record["history"]]
    except (StudyError, KeyError):  # a record of a job that did not come so far
        return None
    if Path(made_from).name != foundation or not speeds:
        return None
    return Rate(statistics.median(speeds) / processes, path)
