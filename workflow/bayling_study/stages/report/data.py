"""Where the data came from and what became of it: sources, corpora, training sets."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bayling_study.stages.report import figures
from bayling_study.stages.report.blocks import (
    Cell,
    Figure,
    MarkedText,
    PageSection,
    Table,
    number,
    table_row,
)
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.samples import shown

MIB = 2**20
PINS = {"table": "pinned in the source table", "lock": "locked at the first download"}
GROUPS = ("recipe", "direction", "demand", "turns", "source", "language", "instruction_language")
"""What an audit counts conversations by (``by_NAME``)."""
PARTS = ("parallel", "conversations", "lexicons")
HEARD = ["corpus", "language", "texts", "identified", "in another language"]


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
        name = Cell(source["id"], hint=source.get("note", ""))
        place = manifest.get("location") or source.get("location", "")
        checked = PINS.get(pin, manifest.get("checked", pin))
        pinned = Cell(checked, detail=digest[:16], hint=digest)
        licence = source.get("licence", "")
        revision = source.get("revision") or "–"
        rows.append(table_row(name, place, revision, licence, number(size, 1, " MiB"), pinned))
    columns = ["source", "location", "revision", "licence", "size", "pin"]
    return Table("sources", "Sources", columns, rows, "Below the pin: start of the SHA-256.")


def corpora_tables(report: Mapping[str, Any]) -> list[Table]:
    """Returns what was read, kept and rejected, and the split into training and test."""
    rows = []
    for part in PARTS:
        for name, group in report.get(part, {}).get("groups", {}).items():
            found = sorted(group["rejected"].items(), key=lambda item: -item[1])
            reasons = "; ".join(f"{reason} {count:,}" for reason, count in found)
            sizes = (group["read"], group["kept"], group["read"] - group["kept"])
            rows.append(table_row(name, *map(number, sizes), reasons))
    columns = ["corpus", "read", "kept", "rejected", "reasons"]
    tables = [Table("corpora", "Corpora after cleaning", columns, rows)]
    sides = [side for part in PARTS for side in report.get(part, {}).get("languages", [])]
    if sides:
        tables.append(Table("languages", "Languages as identified", HEARD, [*map(_side, sides)]))
    segments = report.get("parallel", {}).get("segments", {})
    split = [table_row(k, number(v["train"]), number(v["test"])) for k, v in segments.items()]
    if split:
        documents = report["parallel"].get("documents", {})
        parts = ", ".join(f"{count:,} {side}" for side, count in documents.items())
        note = f"Split by document ({parts}): no document and no pivot sentence is on both sides."
        columns = ["language", "train", "test"]
        tables.append(Table("split", "Segments by language and side", columns, split, note))
    return tables


def _side(side: Mapping[str, Any]) -> list[Cell]:
    voted = side.get("voted")
    share = number(100 * side["foreign"] / voted, 1, " %") if voted else "not checked"
    return table_row(side["group"], side["language"], number(side["heard"]), number(voted), share)


def rejected_samples(report: Mapping[str, Any], most: int) -> list[Table]:
    """Returns rejected segments and dialogues of the corpora, at most so many for each reason."""
    rows = [
        table_row(reason, shown(json.dumps(sample, ensure_ascii=False)))
        for part in PARTS
        for reason, samples in report.get(part, {}).get("samples", {}).items()
        for sample in samples[:most]
    ]
    return [Table("rejected", "Rejected segments", ["reason", "row"], rows)] if rows else []


def add_audit(section: PageSection, mixture: str, audit: Mapping[str, Any]) -> None:
    """Adds what a training set holds: counts, tokens, lengths, rejected rows."""
    tokens = audit.get("tokens", {})
    if tokens.get("by_recipe"):
        section.tables.append(_token_table(mixture, audit))
    if more := [*_folded(mixture, audit)]:
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
        ends = ["longer" if row["to"] is None else f"{row['to']:,}" for row in tokens["histogram"]]
        bins = [(end, row["count"]) for end, row in zip(ends, tokens["histogram"], strict=True)]
        svg = figures.bars(bins, "tokens of a conversation, at most", "conversations")
        title = f"Conversation lengths of {mixture}"
        section.figures.append(Figure(f"lengths-{mixture}", title, svg))


def _token_table(mixture: str, audit: Mapping[str, Any]) -> Table:
    tokens = audit["tokens"]
    made = audit.get("by_recipe", {})
    rows = [
        table_row(
            *(recipe, number(made.get(recipe, audit.get("conversations")))),
            *(number(row["real"]), number(row["supervised"])),
            number(100 * row["supervised_share"], 1, " %"),
            *(number(row.get("median")), number(row.get("longest"))),
        )
        for recipe, row in [*tokens["by_recipe"].items(), ("all", tokens)]
    ]
    columns = ["recipe", "conversations", "tokens", "supervised", "share", "median", "longest"]
    cut = tokens.get("truncated", 0)
    note = f"Supervised: the assistant's tokens. {cut} conversations were truncated."
    return Table(f"audit-{mixture}-tokens", f"Training set {mixture}", columns, rows, note)


def _folded(mixture: str, audit: Mapping[str, Any]) -> Iterator[Table]:
    """Yields the counts of conversations, those wanted and made, and the rejected rows."""
    for group in GROUPS:
        if counts := audit.get(f"by_{group}"):
            name = group.replace("_", " ")
            rows = [table_row(entry, number(count)) for entry, count in counts.items()]
            title = f"{mixture}: conversations by {name}"
            yield Table(f"audit-{mixture}-{group}", title, [name, "conversations"], rows)
    if wanted := audit.get("wanted"):
        made = audit.get("by_recipe_and_direction", {})
        rows = [
            table_row(name, number(count), number(made.get(name, made.get(f"{name}/none", 0))))
            for name, count in wanted.items()
        ]
        title = f"{mixture}: conversations wanted and made"
        yield Table(f"audit-{mixture}-wanted", title, ["part", "wanted", "made"], rows)
    rows = [
        table_row(stage, row["reason"], number(row["count"]))
        for stage, found in audit.get("rejected", {}).items()
        for row in found
    ]
    if rows:
        columns = ["step", "reason", "rows"]
        yield Table(f"audit-{mixture}-rejected", f"{mixture}: rejected rows", columns, rows)
