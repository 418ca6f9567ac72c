"""What a study cost: time, processor and GPU hours, energy where the machine measures it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bayling_study.core.records import grouped
from bayling_study.stages.report.blocks import Cell, Table, number, table_row
from bayling_study.stages.report.clock import BusyClock, end_of

JOULES_A_KWH = 3.6e6
GIB = 2**30
ENERGY_OF = (
    "the sum over jobs of what their machine's processors and GPUs took while they ran: "
    "jobs side by side on one machine count the same energy"
)
"""The counters are the machine's; what single jobs took of it nobody measures."""
Record = Mapping[str, Any]


def seconds_of(record: Record) -> float:
    """Returns how long a job ran."""
    return end_of(record) - float(record["start"])


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


def cost_facts(records: Sequence[Record], shared: Sequence[Record] = ()) -> list[tuple[str, str]]:
    """Returns the first page's lines about cost; shared jobs have a line of their own."""
    if not records:
        return []
    wall = BusyClock(records).total
    busy = f"{wall / 60:.1f} minutes during which a job was running; pauses are not counted"
    facts = [("jobs", _work(records)), ("wall time", busy)]
    if shared:
        facts.append(("shared downloads and models", f"{_work(shared)}, once for all studies"))
    gpus, energy = sum(map(gpu_hours, records)), _total([energy_kwh(r) for r in records])
    facts.append(("GPU-hours", f"{gpus:.2f}" if gpus else "none: no GPU was used"))
    if energy is not None:
        facts.append(("energy", f"{energy:.3f} kWh, {ENERGY_OF}"))
    return facts


def _work(records: Sequence[Record]) -> str:
    return f"{len(records)}, {sum(map(seconds_of, records)) / 60:.1f} minutes of work"


def cost_table(records: Sequence[Record], shared: Sequence[Record] = ()) -> Table:
    """Returns time, hours, energy and memory by stage; see ``cost_facts``."""
    stages = grouped(records, lambda record: str(record["stage"]))
    rows = [_row(stage, members) for stage, members in stages.items()]
    rows += [_row("all", records)] if records else []
    rows += [_row("shared, made once", shared)] if shared else []
    measured = _total([energy_kwh(record) for record in (*records, *shared)]) is not None
    columns = ["stage", "jobs", "minutes", "core-hours", "GPU-hours", "peak GiB"]
    note = "Core-hours: from samples of the job's processes; jobs of a few seconds have none."
    if measured:
        columns.append("kWh")
        note += f" kWh: {ENERGY_OF}."
    return Table("cost", "Cost", columns, [row[: len(columns)] for row in rows], note)


def _row(stage: str, records: Sequence[Record]) -> list[Cell]:
    return table_row(
        stage,
        number(len(records)),
        number(sum(map(seconds_of, records)) / 60, 1),
        number(_total([core_hours(record) for record in records]), 3),
        number(sum(map(gpu_hours, records)), 2),
        number(max(r["host"].get("peak_memory_bytes") or 0 for r in records) / GIB, 2),
        number(_total([energy_kwh(record) for record in records]), 3),
    )
