"""The parts a report page is made of: tables, figures, samples.

A table knows how it looks as TSV and as HTML cells; the page template only
places it.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from bayling_study.files import write_text


@dataclass(frozen=True)
class Cell:
    """One table cell.

    Attributes:
        text: what the reader sees.
        detail: smaller text below it, such as an interval.
        strong: set in bold (best of its row).
        link: a file relative to the report.
        number: whether the cell is aligned and sorted as a number.
    """

    text: str
    detail: str = ""
    strong: bool = False
    link: str = ""
    number: bool = False


@dataclass
class Table:
    """A named table; ``name`` is also its TSV file's name."""

    name: str
    title: str
    columns: list[str]
    rows: list[list[Cell]]
    note: str = ""
    figures: list[Figure] = field(default_factory=list)

    def tsv(self) -> str:
        """Returns the table as tab-separated text, details in brackets."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, dialect="excel-tab", lineterminator="\n")
        writer.writerow(self.columns)
        for row in self.rows:
            writer.writerow(
                f"{cell.text} [{cell.detail}]" if cell.detail else cell.text for cell in row
            )
        return buffer.getvalue()

    def write(self, folder: Path) -> None:
        """Writes ``NAME.tsv``."""
        write_text(folder / f"{self.name}.tsv", self.tsv())


@dataclass(frozen=True)
class Figure:
    """A named SVG figure; ``name`` is also its file's name."""

    name: str
    title: str
    svg: str
    caption: str = ""

    def write(self, folder: Path) -> None:
        """Writes ``NAME.svg``."""
        write_text(folder / f"{self.name}.svg", self.svg)


@dataclass(frozen=True)
class Sample:
    """One prompt with its reference and every system's answer."""

    id: str
    turns: list[str]
    references: list[str]
    answers: list[tuple[str, list[str]]]


@dataclass
class Section:
    """A chapter of the page."""

    name: str
    title: str
    text: str = ""
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)


def text(value: object) -> Cell:
    """Returns a plain cell."""
    return Cell(str(value))


def number(value: float | int | None, decimals: int = 0, unit: str = "") -> Cell:
    """Returns a number's cell; none becomes a dash."""
    if value is None:
        return Cell("–", number=True)
    return Cell(f"{value:,.{decimals}f}{unit}", number=True)
