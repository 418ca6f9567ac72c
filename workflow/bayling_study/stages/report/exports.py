"""The chapter about systems in another form, of 8 bits or in another precision: which answers and
scores it changes, and of exports size and rounding error."""

from collections.abc import Mapping
from typing import Any

from bayling_study.config.systems import OtherForm, PrecisionSystem
from bayling_study.core.records import grouped
from bayling_study.core.tables import beside
from bayling_study.shared.verdict import HEADLINE
from bayling_study.stages.report import figures
from bayling_study.stages.report.blocks import NOTES, Cell, Figure, PageSection, Table, number
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.significance import KEYS, difference_cell, pair_of

TOTALS: dict[str, tuple[str, float, int, str]] = beside(__file__)
"""Totals of ``error.json``: what each is called, its factor, decimals and unit."""
ROUNDING = "What another precision changes is rounding: a difference of that size is no finding."


def export_section(study: Study) -> PageSection:
    """Returns how many answers and which headline scores another form changes; sizes and errors."""
    forms = {n: s for n, s in study.config.systems.items() if isinstance(s, OtherForm)}
    names = ["8-bit export"] * bool(study.exports) + ["perplexity"] * bool(study.perplexities)
    names += ["precision"] * any(isinstance(one, PrecisionSystem) for one in forms.values())
    title = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]])).capitalize()
    section = PageSection("export", title, ROUNDING if "precision" in names else "")
    for system, form in forms.items():
        report = study.exports.get(system, {})
        total, link = report.get("total", {}), f"../export/{system}/error.json"
        rows = [
            [title, number(total[key] * factor, decimals, unit)._replace(link=link)]
            for key, (title, factor, decimals, unit) in TOTALS.items()
            if key in total
        ]
        title = f"{system}: size and error"
        tables = [Table(f"export-{system}", title, ["figure", "value"], rows)]
        if system in study.perplexities:
            tables.append(perplexity_table(system, study.perplexities[system]))
        tables += [change_table(study, system, form.base), differing(study, system, form.base)]
        section.tables += [table for table in tables if table.rows]
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
    note = NOTES["perplexity"].format(report=report, same=100 * report["top1_agreement"])
    columns = ["system", "perplexity", "interval"]
    return Table(f"perplexity-{system}", f"{system}: perplexity", columns, body, note)


def differing(study: Study, system: str, base: str) -> Table:
    """Returns for each suite how many of a system's answers are not those of its base."""
    rows = []
    for suite in study.config.suites:
        own, others = study.answers(system, suite), study.answers(base, suite)
        if both := own.keys() & others.keys():
            count = sum(own[prompt]["turns"] != others[prompt]["turns"] for prompt in both)
            share = number(100 * count / len(both), 1, " %")
            rows.append([suite, Cell(f"{count:,} of {len(both):,}", number=True), share])
    title, columns = f"{system}: answers that differ", ["suite", "answers that differ", "share"]
    note = f"Prompts that {system} and {base} do not answer alike; a conversation counts as one."
    return Table(f"differ-{system}", title, columns, rows, note)


def change_table(study: Study, system: str, base: str) -> Table:
    """Returns the change of headline scores from a system's base to its other form."""
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
