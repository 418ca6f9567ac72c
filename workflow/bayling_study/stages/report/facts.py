"""Sections about how the results came to be: training, jobs, versions."""

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

from bayling_study.core.records import grouped
from bayling_study.stages.report import figures
from bayling_study.stages.report.blocks import NOTES, Cell, Figure, PageSection, Table, number
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.cost import BusyClock, cost_table, end_of, peak_mib, seconds_of


def tuning_section(study: Study) -> PageSection:
    """Returns training curves and what was trained with."""
    section = PageSection("tuning", "Tuning")
    for name, record in study.trainings.items():
        if record["history"]:
            svg = figures.training_curve(record["history"])
            section.figures.append(Figure(f"curve-{name}", f"Training curve of {name}", svg))
        for kind in ("metrics", "parameters"):
            shown = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in record[kind].items()}
            columns, title = ["name", "value"], f"{name}: {kind}"
            section.more[title] = [Table(f"tuning-{name}-{kind}", title, columns, shown.items())]
    return section


def jobs_section(study: Study) -> PageSection:
    """Returns every job with its time and memory, and when it ran."""
    section = PageSection("jobs", "Jobs, time and memory")
    if not study.records:
        return section
    own, shared = study.own_records, study.shared_records
    clock = BusyClock(own)
    rows = [_job_row(record, None) for record in shared] + [_job_row(r, clock) for r in own]
    columns = ["job", "state", "start (s)", "seconds", "peak MiB", "code"]
    largest, longest = (max(own or shared, key=key) for key in (peak_mib, seconds_of))
    section.facts = [
        ("most memory", f"{peak_mib(largest):,.0f} MiB, {job_name(largest)}"),
        ("longest job", f"{seconds_of(longest) / 60:.1f} minutes, {job_name(longest)}"),
    ]
    section.tables.append(cost_table(own, shared))
    section.more["Every job"] = [Table("jobs", "Jobs", columns, rows, NOTES["jobs"])]
    if own:
        spans = [(job_name(r), clock.at(r["start"]), clock.at(end_of(r))) for r in own]
        svg = figures.timeline(spans)
        section.figures.append(Figure("timeline", "When each job ran", svg, NOTES["timeline"]))
    return section


def _job_row(record: Mapping[str, Any], clock: BusyClock | None) -> list[object]:
    start = number(clock.at(record["start"]) if clock else None)
    took, memory = number(seconds_of(record), 1), number(peak_mib(record))
    code = Cell(record["code"][:8], hint=record["code"])
    return [job_name(record), record["state"], start, took, memory, code]


def job_name(record: Mapping[str, Any]) -> str:
    """Returns a job's name as people read it."""
    same = record["stage"] == record["name"]
    return str(record["stage"] if same else f"{record['stage']}/{record['name']}")


def environment_section(study: Study) -> PageSection:
    """Returns the versions and machines that made the results."""
    section = PageSection("environment", "Environment")
    found = sorted({pair for record in study.records for pair in record["packages"].items()})
    versions = grouped(found, itemgetter(0)).items()
    rows = [(name, ", ".join(version for _, version in own)) for name, own in versions]
    section.tables.append(Table("versions", "Versions", ["package", "version"], rows))
    hosts = {(r["host"]["system"], r["host"]["cores"]) for r in study.records}
    section.facts = [("machine", f"{system}, {cores} cores") for system, cores in sorted(hosts)]
    section.facts.append(("seed", str(study.config.study.seed)))
    commits = sorted({r["commit"] for r in study.records if r.get("commit")})
    section.facts += [("commit", commit) for commit in commits]
    return section
