"""The graph of jobs as a picture: layers from left to right, few crossings.

networkx finds the layers and the lines that a longer path implies, which are left out; it has no
order of rows, which are sorted here by the mean row of their neighbours (Sugiyama's method). A
long line takes a row of its own past the boxes between.
"""

from collections.abc import Sequence
from statistics import fmean

import networkx
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

from bayling_study.stages.report.figures import PALETTE, STYLE, axes_of, svg_of

SWEEPS = 8
"""Passes over the layers; the order hardly changes after a few."""
WIDE, HIGH = 0.72, 0.66
"""Size of a box, where layers and rows are 1 apart."""
GREY = "#8a929a"
Place = tuple[float, float]


def draw(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> str:
    """Draws a directed acyclic graph of jobs, named in two lines around their first slash."""
    graph = routed(reduced(nodes, edges))
    place = placed(graph)
    columns, rows = (1 + max(ends) for ends in zip(*place.values(), strict=True))
    colours = list(dict.fromkeys(node.partition("/")[0] for node in nodes))
    with pyplot.rc_context(STYLE):
        figure, axes = axes_of(max(7.2, 1.35 * columns), max(1.6, 0.42 * rows))
        for start, end in graph.edges:
            _line(axes, place[start], place[end], arrow=end in nodes)
        for node, (x, y) in place.items():
            stage, _, name = node.partition("/")
            if node not in nodes:
                axes.plot([x - WIDE / 2, x + WIDE / 2], [y, y], color=GREY, linewidth=0.8)
                continue
            box = FancyBboxPatch((x - WIDE / 2, y - HIGH / 2), WIDE, HIGH, facecolor="white")
            box.set_boxstyle("round", pad=0, rounding_size=0.08)
            box.set_edgecolor(PALETTE[colours.index(stage) % len(PALETTE)])
            axes.add_patch(box)
            label = f"{stage}\n{shortened(name)}".rstrip()
            axes.text(x, y, label, ha="center", va="center", fontsize=6.5, linespacing=1.1)
        axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.4, -0.6))
        axes.axis("off")
        return svg_of(figure)


def _line(axes: Axes, start: Place, end: Place, arrow: bool) -> None:
    """Draws a line from the right side of one box to the left of another."""
    left, right = start[0] + WIDE / 2, end[0] - WIDE / 2
    middle = (left + right) / 2
    points = [(left, start[1]), (middle, start[1]), (middle, end[1]), (right, end[1])]
    curve = Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4])
    axes.add_patch(PathPatch(curve, fill=False, edgecolor=GREY, linewidth=0.8))
    if arrow:
        axes.plot([right - 0.02], [end[1]], marker=">", markersize=3.5, color=GREY)


def shortened(name: str, longest: int = 13) -> str:
    """Returns a name that fits into a box."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def reduced(nodes: Sequence[str], edges: Sequence[tuple[str, str]]) -> networkx.DiGraph:
    """Returns the graph without edges that a longer path implies, or that close a cycle.

    Jobs have no cycles, but folders inside each other can make two jobs look like each other's
    readers.
    """
    graph = networkx.DiGraph(edges)
    graph.add_nodes_from(nodes)
    while not networkx.is_directed_acyclic_graph(graph):
        graph.remove_edge(*networkx.find_cycle(graph)[-1])
    needed = networkx.transitive_reduction(graph)  # whose order is that of sets
    graph.remove_edges_from([edge for edge in graph.edges if not needed.has_edge(*edge)])
    return graph


def layered(graph: networkx.DiGraph) -> dict[str, int]:
    """Returns each node's layer: the length of the longest path that leads to it."""
    generations = enumerate(networkx.topological_generations(graph))
    return {node: layer for layer, members in generations for node in members}


def routed(graph: networkx.DiGraph) -> networkx.DiGraph:
    """Returns the graph with edges of one layer each, through waypoints.

    Long edges from one node share their waypoints, so that they leave as one line.
    """
    layer, result = layered(graph), networkx.DiGraph()
    result.add_nodes_from(graph)
    for start, end in graph.edges:
        between = (f"{start} past {n}" for n in range(layer[start] + 1, layer[end]))
        networkx.add_path(result, [start, *between, end])
    return result


def placed(graph: networkx.DiGraph) -> dict[str, Place]:
    """Returns each node's place (layer, row); columns are centred on the tallest."""
    columns = [list(column) for column in networkx.topological_generations(graph)]
    tallest, near, row = max(map(len, columns)), graph.to_undirected(), dict.fromkeys(graph, 0.0)
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            column.sort(key=lambda node: fmean([row[other] for other in near[node]] or [row[node]]))
            row |= {node: y + (tallest - len(column)) / 2 for y, node in enumerate(column)}
    return {node: (float(x), row[node]) for x, column in enumerate(columns) for node in column}
