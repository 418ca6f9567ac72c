"""The report's figures, as SVG text made with matplotlib.

Colours come from a palette that colour-blind readers can tell apart (Okabe and
Ito 2008); text stays text, so that a page with figures can be searched.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bayling-study",  # same data, same bytes
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


def _svg(figure: Figure) -> str:
    """Returns a figure as an ``<svg>`` element without a date or fixed size, and closes it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
    svg = buffer.getvalue()
    return re.sub(r' (?:width|height)="[\d.]+pt"', "", svg[svg.index("<svg") :], count=2)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure, axes = pyplot.subplots(figsize=(width, height))
    return figure, axes


def training_curve(history: Sequence[dict[str, Any]]) -> str:
    """Draws loss and learning rate over optimiser steps.

    Args:
        history: points of a run record, ``{"step", "values": {"loss", "learning_rate"}}``.
    """
    with pyplot.rc_context(STYLE):
        figure, axes = _axes(7.2, 2.8)
        steps = [point["step"] for point in history if "loss" in point["values"]]
        losses = [point["values"]["loss"] for point in history if "loss" in point["values"]]
        axes.plot(steps, losses, color=PALETTE[0], alpha=0.35, linewidth=1, label="loss of a step")
        axes.plot(steps, smooth(losses), color=PALETTE[0], linewidth=1.8, label="running mean")
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("loss (nats per trained token)")
        rates = [
            (p["step"], p["values"]["learning_rate"])
            for p in history
            if "learning_rate" in p["values"]
        ]
        if rates:
            right = axes.twinx()
            right.plot(*zip(*rates, strict=True), color=PALETTE[1], linewidth=1, linestyle="--")
            right.set_ylabel("learning rate", color=PALETTE[1])
            right.grid(visible=False)
            right.spines["right"].set_visible(True)
        axes.legend(loc="upper right")
        return _svg(figure)


def smooth(values: Sequence[float], weight: float = 0.9) -> list[float]:
    """Returns the bias-corrected exponential running mean of a curve."""
    result, mean = [], 0.0
    for number, value in enumerate(values, start=1):
        mean = weight * mean + (1 - weight) * value
        result.append(mean / (1 - weight**number))
    return result


def score_bars(
    title: str,
    items: Sequence[str],
    systems: Sequence[str],
    values: dict[tuple[str, str], tuple[float, float | None, float | None]],
) -> str:
    """Draws one group of bars an item and one bar a system, with intervals.

    Args:
        title: name of the metric, the axis label.
        items: groups, such as directions.
        systems: bars of each group.
        values: (item, system) to value and bounds; missing bars stay empty.
    """
    with pyplot.rc_context(STYLE):
        figure, axes = _axes(max(7.2, 0.9 * len(items)), 2.8)
        width = 0.8 / max(1, len(systems))
        for place, system in enumerate(systems):
            rows = [
                (x, values[item, system])
                for x, item in enumerate(items)
                if (item, system) in values
            ]
            positions = [x + (place - (len(systems) - 1) / 2) * width for x, _ in rows]
            heights = [value for _, (value, _, _) in rows]
            errors = [
                [value - (value if low is None else low) for _, (value, low, _) in rows],
                [(value if high is None else high) - value for _, (value, _, high) in rows],
            ]
            axes.bar(
                positions, heights, width * 0.92, yerr=errors, label=system,
                color=PALETTE[place % len(PALETTE)], error_kw={"elinewidth": 0.8, "alpha": 0.7},
            )  # fmt: skip
        axes.set_xticks(range(len(items)), items)
        axes.set_ylabel(title)
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return _svg(figure)


def histogram(edges: Sequence[float], counts: dict[str, Sequence[int]], label: str) -> str:
    """Draws stacked histograms over shared bins.

    Args:
        edges: bounds of the bins, one more than counts.
        counts: name to the count of each bin.
        label: what is counted, with its unit.
    """
    with pyplot.rc_context(STYLE):
        figure, axes = _axes(7.2, 2.6)
        bottom = [0.0] * (len(edges) - 1)
        widths = [right - left for left, right in pairwise(edges)]
        for place, (name, column) in enumerate(counts.items()):
            axes.bar(
                list(edges[:-1]), list(column), widths, bottom=bottom, align="edge", label=name,
                color=PALETTE[place % len(PALETTE)], linewidth=0,
            )  # fmt: skip
            bottom = [low + high for low, high in zip(bottom, column, strict=True)]
        axes.set_xlabel(label)
        axes.set_ylabel("conversations")
        axes.legend(loc="upper right")
        return _svg(figure)


def timeline(rows: Sequence[tuple[str, float, float]]) -> str:
    """Draws when each job ran: name, start and end in seconds since the first start."""
    with pyplot.rc_context(STYLE):
        figure, axes = _axes(7.2, 0.6 + 0.22 * len(rows))
        names = [name for name, _, _ in rows]
        axes.barh(
            names, [max(end - start, 0.5) for _, start, end in rows],
            left=[start for _, start, _ in rows], color=PALETTE[0], height=0.7,
        )  # fmt: skip
        axes.invert_yaxis()
        axes.set_xlabel("seconds since the start")
        axes.grid(visible=False, axis="y")
        return _svg(figure)


def graph(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> str:
    """Draws a directed acyclic graph in layers, left to right.

    Args:
        nodes: names; a node's layer is its longest path from a source.
        edges: (from, to) pairs of names.
    """
    layers = layered(nodes, edges)
    columns: dict[int, list[str]] = {}
    for node in nodes:
        columns.setdefault(layers[node], []).append(node)
    tallest = max((len(column) for column in columns.values()), default=1)
    place = {
        node: (float(layer), (row + 0.5) * tallest / len(column))
        for layer, column in columns.items()
        for row, node in enumerate(column)
    }
    with pyplot.rc_context(STYLE):
        figure, axes = _axes(max(7.2, 1.5 * len(columns)), max(2.0, 0.42 * tallest))
        for start, end in edges:
            axes.annotate(
                "", xy=place[end], xytext=place[start],
                arrowprops={"arrowstyle": "-|>", "color": "#999999", "shrinkA": 18, "shrinkB": 18},
            )  # fmt: skip
        for node, (x, y) in place.items():
            box = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": PALETTE[0]}
            axes.text(
                x, y, node.replace("/", "\n"), ha="center", va="center", fontsize=6.5, bbox=box
            )
        axes.set_xlim(-0.6, max(columns, default=0) + 0.6)
        axes.set_ylim(tallest + 0.2, -0.2)
        axes.axis("off")
        return _svg(figure)


def layered(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Returns each node's layer: the length of the longest path that leads to it."""
    layers = dict.fromkeys(nodes, 0)
    for _ in nodes:
        changed = False
        for start, end in edges:
            if layers[end] < layers[start] + 1:
                layers[end], changed = layers[start] + 1, True
        if not changed:
            break
    return layers
