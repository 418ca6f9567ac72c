"""Sections about how the results came to be: data, training, export, jobs, versions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayling_study.report import figures
from bayling_study.report.blocks import Cell, Figure, Section, Table, number, text
from bayling_study.report.collect import Study

MIB = 2**20


def data_section(study: Study) -> Section:
    """Returns the origin and licences of the data, the corpora and the training sets."""
    section = Section("data", "Data and licences")
    rows = [
        [
            text(row["id"]),
            text(row.get("revision", "")),
            text(row.get("licence", "")),
            number(sum(file["bytes"] for file in manifest["files"]) / MIB, 1, " MiB"),
            text(row.get("sha256", "")[:16] or "locked at first download"),
        ]
        for manifest in study.sources
        for row in [manifest["source"]]
    ]
    columns = ["source", "revision", "licence", "size", "SHA-256"]
    section.tables.append(Table("sources", "Sources", columns, rows))
    for mixture, audit in study.audits.items():
        section.tables += _audit_tables(mixture, audit)
        lengths = audit.get("lengths")
        if lengths:
            svg = figures.histogram(lengths["edges"], lengths["counts"], "tokens of a conversation")
            title = f"Conversation lengths of {mixture}"
            section.figures.append(Figure(f"lengths-{mixture}", title, svg))
    return section


def _audit_tables(mixture: str, audit: Mapping[str, Any]) -> list[Table]:
    """Returns a table for each group of counts that an audit holds."""
    tables = []
    for group, counts in audit.get("counts", {}).items():
        rows = [[text(name), number(count)] for name, count in counts.items()]
        title = f"{mixture}: conversations by {group}"
        tables.append(Table(f"audit-{mixture}-{group}", title, [group, "conversations"], rows))
    return tables


def tuning_section(study: Study) -> Section:
    """Returns training curves and what was trained with."""
    section = Section("tuning", "Tuning")
    for record in study.records:
        if record["stage"] != "tuning":
            continue
        name = record["name"]
        svg = figures.training_curve(record["history"])
        section.figures.append(Figure(f"curve-{name}", f"Training curve of {name}", svg))
        values = {**record["parameters"], **record["metrics"]}
        title = f"{name}: parameters and figures"
        section.tables.append(Table(f"tuning-{name}", title, ["name", "value"], _pairs(values)))
    return section


def export_section(study: Study) -> Section:
    """Returns the sizes and errors of 8-bit systems."""
    section = Section("export", "8-bit export")
    for system, report in study.exports.items():
        total = report.get("total", report)
        section.tables.append(Table(f"export-{system}", system, ["name", "value"], _pairs(total)))
    return section


def jobs_section(study: Study) -> Section:
    """Returns every job with its time and memory, the timeline and the graph of jobs."""
    section = Section("jobs", "Jobs, time and memory")
    start = min(record["start"] for record in study.records)
    rows, spans = [], []
    for record in study.records:
        end = record["end"] or record["start"]
        name = job_name(record)
        spans.append((name, record["start"] - start, end - start))
        rows.append(
            [
                text(name),
                text(record["state"]),
                number(end - record["start"], 1),
                number(record["host"].get("peak_memory_bytes", 0) / MIB),
                text(record["code"]),
            ]
        )
    columns = ["job", "state", "seconds", "peak MiB", "code"]
    section.tables.append(Table("jobs", "Jobs", columns, rows))
    section.figures.append(Figure("timeline", "When each job ran", figures.timeline(spans)))
    nodes = [job_name(record) for record in study.records]
    svg = figures.graph(nodes, job_edges(study.records))
    caption = "An arrow leads from the job that made a file to the job that read it."
    section.figures.append(Figure("jobs", "The graph of jobs", svg, caption))
    return section


def job_name(record: Mapping[str, Any]) -> str:
    """Returns a job's name as people read it."""
    same = record["stage"] == record["name"]
    return str(record["stage"] if same else f"{record['stage']}/{record['name']}")


def job_edges(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Returns (maker, reader) for every file or folder one job made and another read."""
    edges = []
    for maker in records:
        made = [Path(reference["path"]) for reference in maker["outputs"].values()]
        for reader in records:
            read = [Path(reference["path"]) for reference in reader["inputs"].values()]
            if maker is not reader and any(_touches(a, b) for a in made for b in read):
                edges.append((job_name(maker), job_name(reader)))
    return edges


def _touches(made: Path, read: Path) -> bool:
    return made == read or made in read.parents or read in made.parents


def environment_section(study: Study) -> Section:
    """Returns the versions and machines that made the results."""
    section = Section("environment", "Environment")
    versions: dict[str, set[str]] = {}
    for record in study.records:
        for package, version in record["packages"].items():
            versions.setdefault(package, set()).add(version)
    rows = [
        [text(name), text(", ".join(sorted(found)))] for name, found in sorted(versions.items())
    ]
    section.tables.append(Table("versions", "Versions", ["package", "version"], rows))
    hosts = {(r["host"]["system"], r["host"]["cores"]) for r in study.records}
    section.facts = [("machine", f"{system}, {cores} cores") for system, cores in sorted(hosts)]
    section.facts.append(("seed", str(study.config.study.seed)))
    return section


def _pairs(values: Mapping[str, object]) -> list[list[Cell]]:
    """Returns the body of a two-column table of names and values."""
    return [[text(key), text(_short(value))] for key, value in values.items()]


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
