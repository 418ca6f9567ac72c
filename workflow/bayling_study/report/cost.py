"""What a study cost: time, processor and GPU hours, energy where the machine measures it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bayling_study.report.blocks import Cell, Table, number, text

JOULES_A_KWH = 3.6e6
GIB = 2**30
Record = Mapping[str, Any]


def seconds_of(record: Record) -> float:
    """Returns how long a job ran."""
    return float((record["end"] or record["start"]) - record["start"])


def gpu_hours(record: Record) -> float:
    """Returns hours times the GPUs that worked during a job."""
    return float(record.get("usage", {}).get("gpus", 0)) * seconds_of(record) / 3600


def core_hours(record: Record) -> float | None:
    """Returns processor hours from the samples of a job; none for a job without samples."""
    samples = record.get("usage", {}).get("samples", [])
    shares = [sample["cpu_percent"] / 100 for sample in samples if "cpu_percent" in sample]
    return sum(shares) / len(shares) * seconds_of(record) / 3600 if shares else None


def energy_kwh(record: Record) -> float | None:
    """Returns the energy of the machine's processors and GPUs during a job, where measured."""
    parts = record.get("usage", {}).get("energy_joules", {}).values()
    return sum(parts) / JOULES_A_KWH if parts else None


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def cost_facts(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Returns the first page's lines about cost."""
    if not records:
        return []
    work = sum(map(seconds_of, records))
    wall = max(r["end"] or r["start"] for r in records) - min(r["start"] for r in records)
    facts = [
        ("jobs", f"{len(records)}, {work / 60:.1f} minutes of work"),
        ("first start to last end", f"{wall / 60:.1f} minutes"),
    ]
    gpus, energy = sum(map(gpu_hours, records)), _total([energy_kwh(r) for r in records])
    facts.append(("GPU-hours", f"{gpus:.2f}" if gpus else "none: no GPU worked"))
    if energy is not None:
        facts.append(("energy", f"{energy:.3f} kWh of the machine while jobs ran"))
    return facts


def cost_table(records: Sequence[Record]) -> Table:
    """Returns time, hours, energy and memory by stage."""
    stages: dict[str, list[Record]] = {}
    for record in records:
        stages.setdefault(record["stage"], []).append(record)
    rows = [_row(stage, members) for stage, members in stages.items()]
    rows.append(_row("all", records))
    measured = _total([energy_kwh(record) for record in records]) is not None
    columns = ["stage", "jobs", "minutes", "core-hours", "GPU-hours", "peak GiB"]
    note = "Core-hours: from samples of the job's processes; jobs of a few seconds have none."
    if measured:
        columns.append("kWh")
        note += " kWh: the machine's processors and GPUs; jobs side by side count the same energy."
    return Table("cost", "Cost", columns, [row[: len(columns)] for row in rows], note)


def _row(stage: str, records: Sequence[Record]) -> list[Cell]:
    return [
        text(stage),
        number(len(records)),
        number(sum(map(seconds_of, records)) / 60, 1),
        number(_total([core_hours(record) for record in records]), 3),
        number(sum(map(gpu_hours, records)), 2),
        number(max(r["host"].get("peak_memory_bytes") or 0 for r in records) / GIB, 2),
        number(_total([energy_kwh(record) for record in records]), 3),
    ]
