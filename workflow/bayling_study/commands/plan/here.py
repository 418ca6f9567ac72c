"""The table of what each stage takes on this machine, beside what its jobs took."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bayling_study.commands.plan.arithmetic import GIBIBYTE
from bayling_study.commands.plan.probe import Speed
from bayling_study.commands.plan.tables import table
from bayling_study.commands.plan.work import Job, schedule
from bayling_study.core.files import read_json

NO_WORK = ("foundation",)
"""Rules that link what others made."""


def here_table(
    study: Path, jobs: Sequence[Job], counts: Mapping[str, int], speed: Speed, memory_gib: float
) -> str:
    """Renders minutes by rule of all its jobs (``counts``), their sum on all cores, and what the
    run records say; training takes ``memory_gib``."""
    done = [(job.rule, record) for job in jobs for record in _finished(study, job)]
    records, rows, unknown = [record for _, record in done], [], 0
    for rule, count in counts.items():
        seconds = [job.seconds for job in jobs if job.rule == rule and job.seconds is not None]
        known = len(seconds) == count or rule in NO_WORK
        unknown += 0 if known or rule == "download" else count - len(seconds)
        otherwise = "network" if rule == "download" else "unknown"
        planned = _minutes(sum(seconds)) if known else otherwise
        gib = f"{memory_gib:.1f} GiB" if rule == "tuning" else ""
        took = _measured([record for other, record in done if other == rule])
        rows.append((rule, str(count), planned, gib, *took))
    begin = min((record["start"] for record in records), default=0.0)
    whole = _minutes(max(record["end"] for record in records) - begin) if records else "-"
    more = f", without {unknown} job(s) of unknown length" if unknown else ""
    total = _minutes(schedule(list(jobs), speed.cores))
    rows.append(("all, jobs side by side", str(len(jobs)), total, "", whole, ""))
    header = ("rule", "jobs", "minutes", "memory", "measured minutes", "measured memory")
    title = f"Time on this machine: {speed.cores} cores of {speed.products / 1e9:.0f} GFLOP/s in "
    title += f"large bf16 products, {speed.steps / 1e9:.0f} in single steps{more}; "
    return table(f"{title}downloads come on top", header, rows)


def _finished(study: Path, job: Job) -> list[dict[str, Any]]:
    path = study / "runs" / job.rule.partition("_")[0] / f"{job.name}.json"
    record = read_json(path) if path.is_file() else {}
    return [record] if record.get("state") == "finished" else []


def _measured(records: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    if not records:
        return "-", "-"
    peak = max(record["host"].get("peak_memory_bytes", 0) for record in records)
    took = sum(record["end"] - record["start"] for record in records)
    return _minutes(took), f"{peak / GIBIBYTE:.1f} GiB"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}"
