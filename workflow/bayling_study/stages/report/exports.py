"""The chapter about 8-bit systems: size, rounding error, and what it does to the scores."""

from collections.abc import Mapping
from typing import Any

from bayling_study.core.records import grouped
from bayling_study.shared.verdict import HEADLINE
from bayling_study.stages.report import figures
from bayling_study.stages.report.blocks import Figure, PageSection, Table, number
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.significance import KEYS, difference_cell, pair_of

TOTALS = {
    "tensors": ("tensors", 1, 0, ""),
    "quantised_tensors": ("tensors in 8 bits", 1, 0, ""),
    "bytes": ("size", 2**-20, 1, " MiB"),
    "bytes_fp16": ("size in fp16", 2**-20, 1, " MiB"),
    "size_share": ("size against fp16", 100, 1, " %"),
    "relative_error": ("relative rounding error", 100, 3, " %"),
    "max_error": ("largest rounding error", 1, 6, ""),
    "saturated_share": ("values at the ends of the range", 100, 3, " %"),
}
"""Totals of ``error.json``: what each is called, its factor, decimals and unit."""


def export_section(study: Study) -> PageSection:
    """Returns the sizes and errors of 8-bit systems and the change of every headline score."""
    also = " and perplexity" if study.perplexities else ""
    section = PageSection("export", f"8-bit export{also}")
    for system, report in study.exports.items():
        total, link = report.get("total", {}), f"../export/{system}/error.json"
        rows = [
            [title, number(total[key] * factor, decimals, unit)._replace(link=link)]
            for key, (title, factor, decimals, unit) in TOTALS.items()
            if key in total
        ]
        title = f"{system}: size and error"
        section.tables.append(Table(f"export-{system}", title, ["figure", "value"], rows))
        if system in study.perplexities:
            section.tables.append(perplexity_table(system, study.perplexities[system]))
        if (change := change_table(study, system)).rows:
            section.tables.append(change)
        if errors := tensor_errors(report):
            svg = figures.strip(errors, "relative rounding error of a tensor (%)")
            title = f"Rounding error of {system}, one point per tensor"
            section.figures.append(Figure(f"errors-{system}", title, svg))
    return section


def tensor_errors(report: Mapping[str, Any]) -> dict[str, list[float]]:
    """Returns relative errors of 8-bit tensors in per cent, by kind of tensor."""
    rows = [row for row in report.get("tensors", []) if row.get("quantised")]
    kinds = grouped(rows, lambda row: row["tensor"].removesuffix(".weight").rpartition(".")[2])
    return {kind: [100 * row["relative_error"] for row in own] for kind, own in kinds.items()}


def perplexity_table(system: str, report: Mapping[str, Any]) -> Table:
    """Returns an export's perplexity beside that of what it was made from, and the change."""
    sides = [report["base"], report["export"]]
    rows = [(side["system"], side["perplexity"], side) for side in sides]
    rows.append(("change", report["difference"]["value"], report["difference"]))
    link = f"../perplexity/{system}.json"
    body = [
        [name, number(value, 3)._replace(link=link), f"{at['low']:.3f} to {at['high']:.3f}"]
        for name, value, at in rows
    ]
    note = (
        f"Reference answers of {report['n']} held-out conversations, {report['tokens']:,} tokens; "
        f"the same most probable token at {100 * report['top1_agreement']:.1f} % of them. "
        "Intervals: paired bootstrap over conversations. Between vocabularies compare bits per "
        f"byte: {sides[0]['bits_per_byte']:.3f} and {sides[1]['bits_per_byte']:.3f}."
    )
    columns = ["system", "perplexity", "interval"]
    return Table(f"perplexity-{system}", f"{system}: perplexity", columns, body, note)


def change_table(study: Study, system: str) -> Table:
    """Returns the change of headline scores from a system's base to its 8-bit form."""
    base = getattr(study.config.systems[system], "base", "")
    rows = []
    for row in study.comparisons["comparisons"]:
        if pair_of(row) == {base, system} and row["metric"] in HEADLINE:
            sides = ("value_b", "value_a") if row["system_a"] == system else ("value_a", "value_b")
            values = (number(row[side], 2) for side in sides)
            place, told = (row[key] for key in KEYS), "yes" if row["significant"] else "no"
            rows.append([*place, *values, difference_cell(row, system), told])
    columns = ["suite", "item", "metric", base, system, "change", "significant"]
    note = f"Change: {system} minus {base}, with its interval by paired bootstrap."
    return Table(f"change-{system}", f"{system}: change of the scores", columns, rows, note)
