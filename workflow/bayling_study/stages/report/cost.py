"""What a study cost: time, processor and GPU hours, energy where the machine measures it. Its clock
stands still while no job runs: a study is often stopped and gone on with days later, and shares
downloads with studies of last year; the time between would be most of every time axis."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bayling_study.core.records import grouped
from bayling_study.stages.report.blocks import NOTES, Table, number

JOULES_A_KWH = 3.6e6
ENERGY_OF = NOTES["energy"]
"""The counters are the machine's; what single jobs took of it nobody measures."""
Record = Mapping[str, Any]


def end_of(record: Record) -> float:
    """Returns when a job ended (seconds since 1970); its start where nobody knows."""
    return float(record["end"] or record["start"])


class BusyClock:
    """Seconds in which at least one of the jobs of some run records ran."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._spans: list[tuple[float, float]] = []
        for start, end in sorted((float(r["start"]), end_of(r)) for r in records):
            if self._spans and start <= self._spans[-1][1]:
                self._spans[-1] = (self._spans[-1][0], max(end, self._spans[-1][1]))
            else:
                self._spans.append((start, end))

    def at(self, moment: float = math.inf) -> float:
        """Returns the seconds with a job at work up to a moment (seconds since 1970), or of all."""
        return sum(max(min(end, moment) - start, 0.0) for start, end in self._spans)


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


def peak_mib(record: Record) -> float:
    """Returns the most memory that a job held, in MiB; 0 where nobody looked."""
    return (record["host"].get("peak_memory_bytes") or 0) / 2**20


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def cost_facts(records: Sequence[Record], shared: Sequence[Record] = ()) -> list[tuple[str, str]]:
    """Returns the first page's lines about cost; shared jobs have a line of their own."""
    if not records:
        return []
    wall = BusyClock(records).at()
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


def _row(stage: str, records: Sequence[Record]) -> list[object]:
    seconds, gpus = (sum(map(key, records)) for key in (seconds_of, gpu_hours))
    cores, energy = (_total(list(map(key, records))) for key in (core_hours, energy_kwh))
    peak = number(max(map(peak_mib, records)) / 1024, 2)
    hours = number(seconds / 60, 1), number(cores, 3), number(gpus, 2)
    return [stage, number(len(records)), *hours, peak, number(energy, 3)]
