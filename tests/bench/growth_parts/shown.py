"""The table and the figure of what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from growth_parts.laws import FAR, exponent, first_limit, predicted
from growth_parts.points import Point, curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Series = Mapping[tuple[str, str], Sequence[Point]]
"""Points by stage and axis."""
COSTS = {"cpu": "processor time", "wall": "wall time", "memory": "memory", "disk": "disk"}
SIZES = {"memory": "RAM", "disk": "disk"}
"""What a machine has so much of, by the cost that fills it."""
GIB = 2**30
HEADS = ("stage", "work", "", "wall s", "CPU s", "GiB", "disk GiB", "others", "load", "commit")
LAWS = ("stage", "over", "time^", "last", "memory^", "last", "disk^", "last", "what breaks first")


def points_table(found: Series) -> str:
    """Returns all points as lines of a table."""
    rows: list[tuple[str, ...]] = [HEADS]
    for (stage, axis), points in found.items():
        for p in points:
            sizes = (f"{p.memory / GIB:.2f}", f"{p.disk / GIB:.2f}")
            machine = (f"{p.others:.1f}", f"{p.load:.1f}", p.commit)
            rows.append(
                (stage, f"{p.work:,.0f}", axis, f"{p.wall:.1f}", f"{p.cpu:.1f}", *sizes, *machine)
            )
    return _lines(rows, left=(0, 2))


def laws_table(found: Series, capacities: Mapping[str, float]) -> str:
    """Returns exponents of all points and of the last two, and what breaks first, as lines."""
    rows: list[tuple[str, ...]] = [LAWS]
    for (stage, axis), points in found.items():
        powers = []
        for cost in ("cpu", "memory", "disk"):
            known = curve(points, cost)
            powers += [_power(exponent(known)), _power(exponent(known[-2:]))]
        rows.append((stage, axis, *powers, breaking(points, axis, capacities)))
    return _lines(rows, left=(0, 1, len(LAWS) - 1))


def _power(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def breaking(points: Sequence[Point], unit: str, capacities: Mapping[str, float]) -> str:
    """Says what a machine of these capacities runs out of first, where, and after which time."""
    costs = {name: curve(points, name) for name in SIZES}
    if exponent(costs["memory"][-2:]) is None:
        return "one size is too few to tell"
    largest = points[-1].work
    limit = first_limit(costs, capacities)
    if limit is None:
        return f"neither within {FAR:,.0f} times {largest:,.0f} {unit}"
    hours = (predicted(curve(points, "cpu"), limit.work) or 0) / 3600
    alone = "" if len(points) > 2 else ", by two sizes alone"
    return (
        f"{SIZES[limit.resource]} at {_rounded(limit.work)} {unit} "
        f"({_rounded(limit.work / largest)} times the largest measured), "
        f"after {_rounded(hours)} processor hours{alone}"
    )


def _rounded(value: float) -> str:
    """Returns a number in two significant digits, for more is not known."""
    digits = f"{value:.2g}"
    return f"{float(digits):,.0f}" if value >= 10 else digits


def _lines(rows: Sequence[Sequence[str]], left: tuple[int, ...]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def draw(found: Series, out: Path, name: str) -> list[Path]:
    """Draws a panel a stage and axis, costs in multiples of the smallest point's, both axes
    logarithmic, so that a slope is an exponent; returns the files, SVG and PNG, if any."""
    from matplotlib import pyplot

    from bayling_study.stages.report.figures import STYLE, svg_of

    drawn = [(names, points) for names, points in found.items() if _grows(points)]
    if not drawn:
        return []
    across = min(4, len(drawn))
    down = -(-len(drawn) // across)
    with pyplot.rc_context({**STYLE, "legend.frameon": True, "legend.framealpha": 0.8}):
        size = (3.4 * across, 3.2 * down)
        figure, grid = pyplot.subplots(down, across, squeeze=False, figsize=size)
        for panel in grid.flat[len(drawn) :]:
            panel.axis("off")
        for panel, ((stage, axis), points) in zip(grid.flat, drawn, strict=False):
            _panel(panel, points)
            panel.set_title(f"{stage} over {axis}", fontsize=10, loc="left")
        for row in grid:
            row[0].set_ylabel("times the smallest point's")
        figure.tight_layout()
        svg, png = out / f"{name}.svg", out / f"{name}.png"
        figure.savefig(png, dpi=130)
        svg.write_text(svg_of(figure), encoding="utf-8")
    return [svg, png]


def _grows(points: Sequence[Point]) -> bool:
    """Tells whether there are two works to draw a line through."""
    return len({point.work for point in points}) > 1


def _panel(panel: Axes, points: Sequence[Point]) -> None:
    """Draws the costs of one stage's points over their work."""
    from bayling_study.stages.report.figures import PALETTE

    works = [point.work for point in points]
    proportion = [work / works[0] for work in works]
    panel.plot(works, proportion, ":", color="k", linewidth=0.8, label="the work itself")
    for place, (cost, label) in enumerate(COSTS.items()):
        values = [value for _, value in curve(points, cost)]
        ends = " to ".join(_amount(cost, values[end]) for end in (0, -1))
        panel.plot(
            works,
            [value / values[0] for value in values],
            ("o-", "o--", "s-", "^-")[place],
            color=PALETTE[place],
            linewidth=1.4,
            markersize=4,
            label=f"{label}: {ends}, exponent {_power(exponent(curve(points, cost)))}",
        )
    panel.set(xscale="log", yscale="log")
    panel.set_xticks(works, [_short(work) for work in works])
    panel.set_xticks([], minor=True)
    low, top = panel.get_ylim()
    panel.set_ylim(low, top * (top / low) ** 0.8)  # room for the legend
    panel.yaxis.set_major_formatter(lambda value, _: _short(value))
    panel.yaxis.set_minor_formatter(lambda value, _: "")
    panel.legend(fontsize=6, loc="upper left")


def _amount(cost: str, value: float) -> str:
    if cost not in SIZES:
        return f"{value:,.0f} s"
    return f"{value / GIB:,.1f} GiB" if value >= GIB else f"{value / 2**20:,.0f} MiB"


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"
