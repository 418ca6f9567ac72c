"""Where the data came from and what became of it: sources, corpora, training sets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bayling_study.stages.report import figures
from bayling_study.stages.report.blocks import (
    Cell,
    Figure,
    MarkedText,
    PageSection,
    Table,
    counts,
    number,
    text,
)
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.samples import shown

MIB = 2**20
PINS = {
    "table": "pinned in the source table",
    "lock": "locked at the first download",
}
GROUPS = ("recipe", "direction", "demand", "turns", "source", "language", "instruction_language")
"""What an audit counts conversations by (``by_NAME``)."""


def data_section(study: Study) -> PageSection:
    """Returns the origin and licences of the data, the corpora and the training sets."""
    section = PageSection("data", "Data and licences")
    if study.sources:
        section.tables.append(source_table(study))
    if study.corpora is not None:
        section.tables += corpora_tables(study.corpora)
        if samples := rejected_samples(study.corpora, study.config.report.rejected_samples):
            section.more["Corpora: rejected rows"] = samples
    for mixture, audit in study.audits.items():
        add_audit(section, mixture, audit)
    return section


def source_table(study: Study) -> Table:
    """Returns every download: revision, licence, size and how its content is pinned."""
    rows = []
    for manifest in study.sources:
        source, pin = manifest["source"], manifest.get("pin", "")
        digest = source.get("sha256") or manifest.get("listing", "")
        size = sum(file["bytes"] for file in manifest["files"]) / MIB
        rows.append(
            [
                Cell(source["id"], hint=source.get("note", "")),
                text(source.get("location", "")),
                text(source.get("revision") or "–"),
                text(source.get("licence", "")),
                number(size, 1, " MiB"),
                Cell(PINS.get(pin, manifest.get("checked", pin)), detail=digest[:16], hint=digest),
            ]
        )
    columns = ["source", "location", "revision", "licence", "size", "pin"]
    return Table("sources", "Sources", columns, rows, "Below the pin: start of the SHA-256.")


def corpora_tables(report: Mapping[str, Any]) -> list[Table]:
    """Returns what was read, kept and rejected, and the split into training and test."""
    rows = []
    for part in ("parallel", "conversations"):
        for name, group in report.get(part, {}).get("groups", {}).items():
            reasons = sorted(group["rejected"].items(), key=lambda item: -item[1])
            rows.append(
                [
                    text(name),
                    number(group["read"]),
                    number(group["kept"]),
                    number(group["read"] - group["kept"]),
                    text("; ".join(f"{reason} {count:,}" for reason, count in reasons)),
                ]
            )
    columns = ["corpus", "read", "kept", "rejected", "reasons"]
    tables = [Table("corpora", "Corpora after cleaning", columns, rows)]
    segments = report.get("parallel", {}).get("segments", {})
    split = [[text(k), number(v["train"]), number(v["test"])] for k, v in segments.items()]
    if split:
        documents = report["parallel"].get("documents", {})
        sizes = ", ".join(f"{count:,} {side}" for side, count in documents.items())
        note = f"Split by document ({sizes}): no document and no pivot sentence is on both sides."
        columns = ["language", "train", "test"]
        tables.append(Table("split", "Segments by language and side", columns, split, note))
    return tables


def rejected_samples(report: Mapping[str, Any], most: int) -> list[Table]:
    """Returns rejected segments and dialogues of the corpora, at most so many for each reason."""
    rows = [
        [text(reason), text(shown(json.dumps(sample, ensure_ascii=False)))]
        for part in ("parallel", "conversations")
        for reason, samples in report.get(part, {}).get("samples", {}).items()
        for sample in samples[:most]
    ]
    return [Table("rejected", "Rejected segments", ["reason", "row"], rows)] if rows else []


def add_audit(section: PageSection, mixture: str, audit: Mapping[str, Any]) -> None:
    """Adds what a training set holds: counts, tokens, lengths, rejected rows."""
    tokens = audit.get("tokens", {})
    if tokens.get("by_recipe"):
        section.tables.append(_token_table(mixture, audit))
    more = [
        Table(
            f"audit-{mixture}-{group}",
            f"{mixture}: conversations by {group.replace('_', ' ')}",
            [group.replace("_", " "), "conversations"],
            counts(audit[f"by_{group}"]),
        )
        for group in GROUPS
        if audit.get(f"by_{group}")
    ]
    more += [_wanted_table(mixture, audit)] if audit.get("wanted") else []
    more += [_rejected_table(mixture, audit)] if any(audit.get("rejected", {}).values()) else []
    if more:
        section.more[f"Training set {mixture}: counts and rejected rows"] = more
    masks = {
        recipe: [
            [MarkedText(shown(part), bool(supervised)) for part, supervised in row["spans"]]
            for row in rows
        ]
        for recipe, rows in audit.get("mask_samples", {}).items()
    }
    if masks:
        section.masks[f"Training set {mixture}: supervised tokens"] = masks
    if tokens.get("histogram"):
        bins = [(_bin(row["to"]), row["count"]) for row in tokens["histogram"]]
        svg = figures.bars(bins, "tokens of a conversation, at most", "conversations")
        title = f"Conversation lengths of {mixture}"
        section.figures.append(Figure(f"lengths-{mixture}", title, svg))


def _bin(end: int | None) -> str:
    return "longer" if end is None else f"{end:,}"


def _token_table(mixture: str, audit: Mapping[str, Any]) -> Table:
    tokens = audit["tokens"]
    made = audit.get("by_recipe", {})
    every = [*tokens["by_recipe"].items(), ("all", tokens)]
    rows = [
        [
            text(recipe),
            number(made.get(recipe, audit.get("conversations"))),
            number(row["real"]),
            number(row["supervised"]),
            number(100 * row["supervised_share"], 1, " %"),
            number(row.get("median")),
            number(row.get("longest")),
        ]
        for recipe, row in every
    ]
    columns = ["recipe", "conversations", "tokens", "supervised", "share", "median", "longest"]
    cut = tokens.get("truncated", 0)
    note = f"Supervised: the assistant's tokens. {cut} conversations were truncated."
    return Table(f"audit-{mixture}-tokens", f"Training set {mixture}", columns, rows, note)


def _wanted_table(mixture: str, audit: Mapping[str, Any]) -> Table:
    made = audit.get("by_recipe_and_direction", {})
    rows = [
        [text(name), number(count), number(made.get(name, made.get(f"{name}/none", 0)))]
        for name, count in audit["wanted"].items()
    ]
    title = f"{mixture}: conversations wanted and made"
    return Table(f"audit-{mixture}-wanted", title, ["part", "wanted", "made"], rows)


def _rejected_table(mixture: str, audit: Mapping[str, Any]) -> Table:
    rows = [
        [text(stage), text(row["reason"]), number(row["count"])]
        for stage, found in audit["rejected"].items()
        for row in found
    ]
    columns = ["step", "reason", "rows"]
    return Table(f"audit-{mixture}-rejected", f"{mixture}: rejected rows", columns, rows)
