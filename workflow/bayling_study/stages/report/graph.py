"""The graph of jobs as a picture: layers from left to right, few crossings.

Sugiyama's method in its simplest form: longest-path layers, then rows ordered
by the mean place of their neighbours, swept to and fro. A long line takes a row
of its own past the boxes between; lines that a longer path implies are left out.
networkx finds the layers and the implied lines; it has no order of rows.
"""

from collections.abc import Sequence

import networkx
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

from bayling_study.stages.report.figures import PALETTE, STYLE, axes_of, svg_of

SWEEPS = 8
"""Passes over the layers; the order hardly changes after a few."""
BOX = (0.72, 0.66)
"""Width and height of a box, where layers and rows are 1 apart."""
GREY = "#8a929a"
Place = tuple[float, float]


def draw(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> str:
    """Draws a directed acyclic graph of jobs, named in two lines around their first slash."""
    layers = layered(nodes, edges)
    lines = routed(reduced(edges), layers)
    place = placed([*nodes, *(end for _, end in lines if end not in layers)], lines)
    columns = 1 + max((x for x, _ in place.values()), default=0.0)
    rows = 1 + max((y for _, y in place.values()), default=0.0)
    with pyplot.rc_context(STYLE):
        figure, axes = axes_of(max(7.2, 1.35 * columns), max(1.6, 0.42 * rows))
        for start, end in lines:
            _line(axes, place[start], place[end], arrow=end in layers)
        colours = list(dict.fromkeys(node.partition("/")[0] for node in nodes))
        for node in nodes:
            colour = PALETTE[colours.index(node.partition("/")[0]) % len(PALETTE)]
            _box(axes, node, place[node], colour)
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_ylim(rows - 0.4, -0.6)
        axes.axis("off")
        return svg_of(figure)


def _line(axes: Axes, start: Place, end: Place, arrow: bool) -> None:
    """Draws a line from the right side of one box to the left of another, or past a waypoint."""
    left, right = start[0] + BOX[0] / 2, end[0] - BOX[0] / 2
    middle = (left + right) / 2
    points = [(left, start[1]), (middle, start[1]), (middle, end[1]), (right, end[1])]
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    if not arrow:
        points.append((end[0] + BOX[0] / 2, end[1]))
        codes.append(Path.LINETO)
    curve = Path(points, codes)
    axes.add_patch(PathPatch(curve, fill=False, edgecolor=GREY, linewidth=0.8, zorder=1))
    if arrow:
        axes.plot([right - 0.02], [end[1]], marker=">", markersize=3.5, color=GREY, zorder=2)


def _box(axes: Axes, node: str, place: Place, colour: str) -> None:
    corner = (place[0] - BOX[0] / 2, place[1] - BOX[1] / 2)
    axes.add_patch(
        FancyBboxPatch(
            corner, *BOX, boxstyle="round,pad=0,rounding_size=0.08", facecolor="white",
            edgecolor=colour, linewidth=1.2, zorder=3,
        )
    )  # fmt: skip
    stage, _, name = node.partition("/")
    label = f"{stage}\n{shortened(name)}" if name else stage
    axes.text(*place, label, ha="center", va="center", fontsize=6.5, zorder=4, linespacing=1.1)


def shortened(name: str, longest: int = 13) -> str:
    """Returns a name that fits into a box."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def placed(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, Place]:
    """Returns each node's place (layer, row); columns are centred on the tallest."""
    layers = layered(nodes, edges)
    columns: list[list[str]] = [[] for _ in range(1 + max(layers.values(), default=0))]
    for node in nodes:
        columns[layers[node]].append(node)
    tallest = max((len(column) for column in columns), default=0)
    row: dict[str, float] = {}
    for column in columns:
        row |= _rows(column, tallest)
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            _reorder(column, edges, row)
            row |= _rows(column, tallest)
    return {node: (float(layers[node]), row[node]) for node in nodes}


def _rows(column: list[str], tallest: int) -> dict[str, float]:
    return {node: index + (tallest - len(column)) / 2 for index, node in enumerate(column)}


def _reorder(column: list[str], edges: Sequence[tuple[str, str]], row: dict[str, float]) -> None:
    """Sorts a column by the mean row of its nodes' neighbours."""

    def pull(node: str) -> float:
        near = [row[a] for a, b in edges if b == node] + [row[b] for a, b in edges if a == node]
        return sum(near) / len(near) if near else row[node]

    column.sort(key=pull)


def layered(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Returns each node's layer: the length of the longest path that leads to it."""
    graph = acyclic(edges)
    graph.add_nodes_from(nodes)
    generations = enumerate(networkx.topological_generations(graph))
    return {node: layer for layer, members in generations for node in members}


def acyclic(edges: Sequence[tuple[str, str]]) -> networkx.DiGraph:
    """Returns the graph of the edges without those that close a cycle.

    Jobs have none, but folders inside each other can make two jobs look like each other's readers.
    """
    graph = networkx.DiGraph(edges)
    while not networkx.is_directed_acyclic_graph(graph):
        graph.remove_edge(*networkx.find_cycle(graph)[-1])
    return graph


def routed(edges: Sequence[tuple[str, str]], layers: dict[str, int]) -> list[tuple[str, str]]:
    """Returns the edges in steps of one layer, through waypoints that are not in ``layers``.

    Long edges from one node share their waypoints, so that they leave as one line.
    """
    steps: dict[tuple[str, str], None] = {}
    for start, end in edges:
        before = start
        for layer in range(layers[start] + 1, layers[end]):
            waypoint = f"{start} past {layer}"
            steps[before, waypoint] = None
            before = waypoint
        steps[before, end] = None
    return list(steps)


def reduced(edges: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the edges that no longer path implies, once each, in their order."""
    needed = networkx.transitive_reduction(acyclic(edges))
    return [edge for edge in dict.fromkeys(edges) if needed.has_edge(*edge)]
