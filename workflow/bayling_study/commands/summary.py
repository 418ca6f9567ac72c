"""The end of ``make study``: the main results on the terminal, the verdict, the report's path."""

import csv
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from textwrap import fill

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.verdict import read_verdict

WIDTH = 96  # characters of a line of the verdict


def table(path: Path) -> str:
    """Returns a TSV file as an aligned text table."""
    with open(path, encoding="utf-8", newline="") as stream:
        return aligned(list(csv.reader(stream, dialect="excel-tab")))


def aligned(rows: Sequence[Sequence[str]], ruled: bool = True) -> str:
    """Returns rows as a text table, with a line below the first, the heading."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    ruler = [["-" * width for width in widths]] if ruled else []
    lines = (map(str.ljust, row, widths) for row in (rows[0], *ruler, *rows[1:]))
    return "\n".join("  ".join(line).rstrip() for line in lines)


def ending(study: Path) -> list[str]:
    """Returns the last lines about a study: its verdict, and where its report is."""
    lines = [fill(text, WIDTH, subsequent_indent="  ") for text in read_verdict(study)]
    report = study / "report" / "index.html"
    return [*lines, "", f"Report: {report}"] if report.is_file() else []


def show(study: Path) -> None:
    """Prints the summary of a finished study (``StudyError`` if it has no report)."""
    report, tracked = study / "report", study / "runs" / "mlflow.json"
    if not (report / "index.html").exists():
        raise StudyError("the study has no report yet", where=report, fix="make study")
    if (results := report / "tables" / "summary.tsv").exists():
        print(table(results))
    if (missing := report / "tables" / "missing.tsv").exists():
        print(f"\nCaution: the report lacks these blocks ({study / 'logs' / 'report.log'}):")
        print(table(missing))
    print("\n".join(["", *ending(study)]))
    if tracked.exists() and "pending" in read_json(tracked):
        print("MLflow was not reached; `make track` sends the run records once it answers.")
