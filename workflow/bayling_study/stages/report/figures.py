"""The report's figures, as SVG text made with matplotlib. Colours come from a palette that
colour-blind readers can tell apart (Okabe and Ito 2008, then Tol 2021); text stays text, so that a
page with figures can be searched."""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import Series

from bayling_study.core.tables import beside

_LOOK = beside(__file__)
PALETTE: list[str] = _LOOK["palette"]
STYLE: dict[str, Any] = _LOOK["style"]
Interval = tuple[float, float | None, float | None]
"""A value and the bounds of its interval."""
Difference = tuple[Sequence[float], float | None, float | None, str]
"""A difference in each seed, the bounds of the first one's interval, and a mark."""
Bars = dict[tuple[str, str], Interval]
"""(item, system) to value and interval."""


def svg_of(figure: Figure) -> str:
    """Returns a figure as an ``<svg>`` element without a date or fixed size, and closes it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
    svg = buffer.getvalue()
    return re.sub(r' (?:width|height)="[\d.]+pt"', "", svg[svg.index("<svg") :], count=2)


def training_curve(history: Sequence[dict[str, Any]]) -> str:
    """Draws loss and learning rate over optimiser steps, from the history of a run record."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(7.2, 2.8))
        points = curve(history, "loss")
        losses = Series([loss for _, loss in points], [step for step, _ in points], dtype=float)
        axes.plot(losses, color=PALETTE[0], alpha=0.35, linewidth=1, label="loss of a step")
        mean = losses.ewm(alpha=0.1).mean()
        axes.plot(mean, color=PALETTE[0], linewidth=1.8, label="running mean")
        for place, (name, found) in enumerate(evaluation_losses(history).items(), start=2):
            axes.plot(*zip(*found, strict=True), "o-", color=PALETTE[place], label=name)
        axes.set(xlabel="optimiser step", ylabel="loss (nats per supervised token)")
        if rates := curve(history, "learning_rate"):
            right = axes.twinx()
            right.plot(*zip(*rates, strict=True), color=PALETTE[1], linewidth=1, linestyle="--")
            right.set_ylabel("learning rate", color=PALETTE[1])
            right.grid(visible=False)
            right.spines["right"].set_visible(True)
        axes.legend(loc="upper right")
        return svg_of(figure)


def curve(history: Sequence[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    """Returns the steps and values of what a training noted under a name."""
    return [(point["step"], point["values"][name]) for point in history if name in point["values"]]


def evaluation_losses(history: Sequence[dict[str, Any]]) -> dict[str, list[tuple[int, float]]]:
    """Returns the curves of losses on held-out text (``…_loss``), which few steps have."""
    names = dict.fromkeys(name for point in history for name in point["values"])
    found = (name for name in names if name.endswith("_loss"))
    return {name.replace("_", " "): curve(history, name) for name in found}


def _panels(
    count: int, width: float, height: float, most: int = 4, margin: float = 1.2, **options: bool
) -> tuple[Figure, list[Axes]]:
    """Returns a figure and its small ones, at most so many side by side, of a size in inches."""
    across = min(most, count)
    down = -(-count // across)
    size = (width * across + margin, height * down)
    figure, grid = pyplot.subplots(down, across, squeeze=False, figsize=size, **options)
    for axes in grid.flat[count:]:
        axes.axis("off")
    return figure, list(grid.flat[:count])


def score_bars(items: Sequence[str], systems: Sequence[str], values: Bars) -> str:
    """Draws a small figure an item, such as a direction, on like axes: shared ones take the square
    of the time. A system has a lying bar with its interval, name and value, or its name alone."""
    known = [bound for found in values.values() for bound in found if bound is not None]
    low, top = min([0.0, *known]), max([0.0, *known])
    with pyplot.rc_context(STYLE):
        figure, grid = _panels(len(items), 2.0, max(1.1, 0.17 * len(systems) + 0.5))
        for axes, item in zip(grid, items, strict=True):
            for place, system in enumerate(systems):
                _bar(axes, place, values.get((item, system)))
            axes.set_title(item, fontsize=9, loc="left")
            axes.set_yticks(range(len(systems)), systems, fontsize=8)
            axes.set(xlim=(low, top + 0.22 * (top - low) or 1), ylim=(len(systems) - 0.5, -0.5))
            axes.tick_params(axis="x", labelsize=7)
            first = axes.get_subplotspec().is_first_col()  # type: ignore[union-attr]
            axes.tick_params(axis="y", length=0, labelleft=first)
            axes.grid(visible=False, axis="y")
        figure.tight_layout()
        return svg_of(figure)


def differences(names: Sequence[str], panels: dict[str, dict[str, Difference]]) -> str:
    """Draws differences to zero, a panel a metric and a line a name of ``names``, with its mark."""
    with pyplot.rc_context(STYLE):
        figure, grid = _panels(len(panels), 2.2, 0.6 + 0.22 * len(names), sharey=True)
        for axes, (title, found) in zip(grid, panels.items(), strict=True):
            axes.axvline(0, color="k", linewidth=0.8)
            for place, name in enumerate(names):
                if name in found:
                    _difference(axes, place, *found[name])
            axes.set_title(title.replace(": ", "\n", 1), fontsize=8, loc="left")
            axes.set_yticks(range(len(names)), names, fontsize=8)
            axes.set_ylim(len(names) - 0.5, -0.5)
            axes.tick_params(axis="x", labelsize=7)
            axes.margins(x=0.15)
        figure.tight_layout()
        return svg_of(figure)


def _difference(
    axes: Axes, place: int, seeds: Sequence[float], low: float | None, high: float | None, mark: str
) -> None:
    colour = PALETTE[1] if mark else PALETTE[0]
    if low is not None and high is not None:
        axes.plot([low, high], [place, place], color=colour, linewidth=1.4)
    axes.plot(seeds, [place] * len(seeds), "o", color=colour, markersize=4)
    axes.annotate(
        mark, (seeds[0], place), (0, 3), textcoords="offset points", ha="center", fontsize=7
    )


def _bar(axes: Axes, place: int, found: Interval | None) -> None:
    value, low, high = found or (0.0, None, None)
    axes.barh(place, value, 0.72, color=PALETTE[0], alpha=0.75)
    if low is not None and high is not None:
        # an interval may miss its value (the bootstrap of BLEU has a bias): it is drawn as it is
        axes.plot([low, high], [place, place], color="k", linewidth=0.9)
    text, end = f"{value:.1f}" if found else "–", max(value, high or value, 0.0)
    axes.annotate(text, (end, place), (3, 0), textcoords="offset points", va="center", fontsize=7)


def bars(rows: Sequence[tuple[str, float]], label: str, unit: str) -> str:
    """Draws named bars with their heights above; ``label`` says what the names are."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(7.2, 2.4))
        drawn = axes.bar(range(len(rows)), [height for _, height in rows], 0.8, color=PALETTE[0])
        axes.set_xticks(range(len(rows)), [name for name, _ in rows])
        axes.bar_label(drawn, fmt="{:,.0f}", fontsize=8)
        axes.set(xlabel=label, ylabel=unit)
        axes.grid(visible=False, axis="x")
        return svg_of(figure)


def scaling(panels: dict[str, dict[str, tuple[float, float]]], label: str) -> str:
    """Draws a score over a size, one panel per metric and one named point per system. ``label``
    says what the sizes are; their axis is logarithmic where they differ by a factor of 4."""
    with pyplot.rc_context(STYLE):
        figure, grid = _panels(len(panels), 3.3, 2.6, most=3, margin=0.6)
        for axes, (title, points) in zip(grid, panels.items(), strict=True):
            for place, (name, (size, value)) in enumerate(points.items()):
                axes.plot([size], [value], "o", color=PALETTE[place % len(PALETTE)])
                axes.annotate(name, (size, value), xytext=(4, 4), textcoords="offset points")
            sizes = [size for size, _ in points.values()]
            if min(sizes) > 0 and max(sizes) >= 4 * min(sizes):
                axes.set_xscale("log")
            axes.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
            axes.set_xticks([], minor=True)
            axes.set_title(title, fontsize=9)
            axes.margins(0.25)
            axes.set_xlabel(label)
        figure.tight_layout()
        return svg_of(figure)


def layers(panels: dict[str, dict[str, list[float]]], unit: str) -> str:
    """Draws values over layers, one panel per title and one line per name, from layer 0."""
    with pyplot.rc_context(STYLE):
        figure, grid = _panels(len(panels), 3.0, 2.3, most=3, margin=0.6, sharey=True)
        for axes, (title, lines) in zip(grid, panels.items(), strict=True):
            for place, (name, values) in enumerate(lines.items()):
                style = ("-", "--", ":")[place // len(PALETTE) % 3]
                axes.plot(values, style, color=PALETTE[place % len(PALETTE)], label=name)
            axes.set_title(title, fontsize=9)
            axes.set(xlabel="layer", ylabel=unit)
        grid[0].legend(fontsize=7)
        figure.tight_layout()
        return svg_of(figure)


def strip(rows: dict[str, list[float]], label: str) -> str:
    """Draws values as points, one line per name; ``label`` says what they are, with the unit."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(7.2, 0.8 + 0.26 * len(rows)))
        for place, values in enumerate(rows.values()):
            look = {"color": PALETTE[0], "alpha": 0.45, "markersize": 5, "markeredgewidth": 0}
            axes.plot(values, [place] * len(values), "o", **look)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel(label)
        return svg_of(figure)


def timeline(rows: Sequence[tuple[str, float, float]]) -> str:
    """Draws when each job ran: name, start and end in seconds with a job at work."""
    with pyplot.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(7.2, 0.6 + 0.22 * len(rows)))
        names, starts, ends = zip(*rows, strict=True)
        widths = [max(end - start, 0.5) for start, end in zip(starts, ends, strict=True)]
        axes.barh(names, widths, left=starts, color=PALETTE[0], height=0.7)
        axes.invert_yaxis()
        axes.set_xlabel("seconds during which a job was running, since the first start")
        axes.grid(visible=False, axis="y")
        return svg_of(figure)
