"""The parts a report page is made of: tables, figures, samples. A table knows how it looks as TSV,
as LaTeX and as HTML cells; the page template only places it."""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import NamedTuple

from bayling_study.core.files import write_text
from bayling_study.core.tables import beside

NOTES: dict[str, str] = beside(__file__)
"""What a reader must know of single tables and figures, where it is the same in all studies."""
SHORT, LONG = 16, 60
"""Characters up to which a cell's text is never broken, and from which it gets a wide column."""


class Cell(NamedTuple):
    """One table cell: its text, and how that is shown. ``detail`` is smaller text below it, such as
    an interval; ``link`` a file relative to the report; ``hint`` is shown when the pointer rests on
    the cell. The best of a row is ``strong``."""

    text: str
    detail: str = ""
    strong: bool = False
    link: str = ""
    number: bool = False
    hint: str = ""

    @property
    def kind(self) -> str:
        """How the cell is set: a number, a text that stays on one line, or one that needs room."""
        if self.number:
            return "number"
        if len(self.text) <= SHORT:
            return "short"
        return "long" if len(self.text) >= LONG else ""


@dataclass
class Table:
    """A named table; ``name`` is also its files' name. In the ``body`` cells stay as they are, all
    else becomes their text. ``groups`` is a second heading above ``columns``: (title, number of
    columns); ``about`` says what a metric is that the title, a heading or a cell names."""

    name: str
    title: str
    columns: list[str]
    body: InitVar[Iterable[Iterable[object]]]
    note: str = ""
    figures: "list[Figure]" = field(default_factory=list)
    groups: list[tuple[str, int]] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    rows: list[list[Cell]] = field(init=False)

    def __post_init__(self, body: Iterable[Iterable[object]]) -> None:
        self.rows = [[c if isinstance(c, Cell) else Cell(str(c)) for c in row] for row in body]

    @property
    def headings(self) -> list[str]:
        """The columns' names, each with its group's."""
        above = [title for title, width in self.groups for _ in range(width)]
        above += [""] * (len(self.columns) - len(above))
        return [f"{group} {name}".strip() for group, name in zip(above, self.columns, strict=True)]

    def tsv(self) -> str:
        """Returns the table as tab-separated text, details in brackets."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, dialect="excel-tab", lineterminator="\n")
        writer.writerow(self.headings)
        writer.writerows(self.plain)
        return buffer.getvalue()

    @property
    def plain(self) -> list[list[str]]:
        """The rows as texts, details in brackets."""
        return [
            [f"{c.text} [{c.detail}]" if c.detail else c.text for c in row] for row in self.rows
        ]

    def latex(self) -> str:
        """Returns the table for LaTeX, whose packages a comment names, without the details."""
        first = self.rows[0] if self.rows else [Cell("")] * len(self.columns)
        lines = ["% \\usepackage{booktabs,amssymb}"]
        lines += ["\\begin{tabular}{" + "".join("r" if c.number else "l" for c in first) + "}"]
        lines += ["\\toprule", _latex_row([Cell(name) for name in self.headings]), "\\midrule"]
        lines += [_latex_row(row) for row in self.rows]
        return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])

    def write(self, folder: Path) -> None:
        """Writes ``NAME.tsv`` and ``NAME.tex``."""
        write_text(folder / f"{self.name}.tsv", self.tsv())
        write_text(folder / f"{self.name}.tex", self.latex())


LATEX = {
    "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "\n": " ", "[": "{[}", "▲": "$\\blacktriangle$", "▼": "$\\blacktriangledown$",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}  # fmt: skip
"""Characters that LaTeX reads as commands, to what prints them; ``[`` behind a row's end is one."""


def _latex_row(cells: list[Cell]) -> str:
    shown = []
    for cell in cells:
        plain = "".join(LATEX.get(character, character) for character in cell.text)
        shown.append(f"\\textbf{{{plain}}}" if cell.strong else plain)
    return " & ".join(shown) + " \\\\"


class Figure(NamedTuple):
    """A named SVG figure; ``name`` is also its file's name."""

    name: str
    title: str
    svg: str
    caption: str = ""

    @property
    def inline(self) -> str:
        """The figure for a page that holds others: its ids are its own."""
        return re.sub(r'(\bid="|href="#|url\(#)', rf"\1{self.name}--", self.svg)

    @property
    def least(self) -> float:
        """The width in pixels at which the smallest text can be read: 1.1 a point of the figure."""
        box = re.search(r'viewBox="\S+ \S+ (\S+)', self.svg)
        return round(1.1 * float(box[1])) if box else 0

    def write(self, folder: Path) -> None:
        """Writes ``NAME.svg``."""
        write_text(folder / f"{self.name}.svg", self.svg)


class MarkedText(NamedTuple):
    """A span of text; ``new`` where it is marked: an answer's words that the reference lacks."""

    text: str
    new: bool = False


@dataclass(frozen=True)
class SampleTurn:
    """What the user said, what was expected, and (system, answer) of every system. ``reasons`` say
    by system what of the turn's demand is met: pairs of whether (none: nobody looked) and what."""

    user: str
    reference: str
    answers: list[tuple[str, list[MarkedText]]]
    reasons: dict[str, list[tuple[bool | None, str]]] = field(default_factory=dict)


class Sample(NamedTuple):
    """One prompt with the answers to its turns."""

    id: str
    turns: list[SampleTurn]


@dataclass
class PageSection:
    """A chapter of the page. ``more`` holds tables that open on demand, by title; ``masks`` hold
    examples, their supervised text marked, by the title of the whole and that of their group."""

    name: str
    title: str
    text: str = ""
    tables: list[Table] = field(default_factory=list)
    more: dict[str, list[Table]] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    masks: dict[str, dict[str, list[list[MarkedText]]]] = field(default_factory=dict)
    facts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def all_tables(self) -> list[Table]:
        """Open and folded tables."""
        return [*self.tables, *(table for tables in self.more.values() for table in tables)]

    @property
    def all_figures(self) -> list[Figure]:
        """The chapter's own figures and those of its tables."""
        return [*self.figures, *(f for table in self.all_tables for f in table.figures)]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        shown = (self.text, self.facts, self.all_tables, self.figures, self.samples, self.masks)
        return not any(shown)


def number(value: float | int | None, decimals: int = 0, unit: str = "") -> Cell:
    """Returns a number's cell; none becomes a dash."""
    if value is None:
        return Cell("–", number=True)
    return Cell(f"{value:,.{decimals}f}{unit}", number=True)


def signed(value: float, decimals: int = 2) -> str:
    """Returns a number with its sign; zero has none."""
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"
