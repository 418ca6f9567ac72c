"""The end of ``make study``: the main results on the terminal and the report's path.

``python -m bayling_study.report.summary --study results/NAME``
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

from bayling_study.cli import run_program
from bayling_study.errors import StudyError


def table(path: Path) -> str:
    """Returns a TSV file as an aligned text table."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, dialect="excel-tab"))
    columns = range(max(len(row) for row in rows))
    widths = [max(len(row[c]) for row in rows if c < len(row)) for c in columns]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def main() -> None:
    """Prints the summary of a finished study."""
    parser = argparse.ArgumentParser(
        prog="python -m bayling_study.report.summary", description=__doc__
    )
    parser.add_argument("--study", type=Path, required=True, help="results folder of the study")
    report = parser.parse_args().study / "report"
    if not (report / "index.html").exists():
        raise StudyError("the study has no report yet", where=report, fix="make study")
    print(table(report / "tables" / "summary.tsv"))
    print(f"\nReport: {report / 'index.html'}")


if __name__ == "__main__":
    run_program(main)
