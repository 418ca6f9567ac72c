"""Measured points, and the table of them that a run goes on from."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """What a stage took: seconds, bytes at the peak, and the cores that others kept busy."""

    wall: float
    cpu: float
    memory: int
    disk: int
    others: float

    def then(self, other: Cost) -> Cost:
        """Returns the cost of this and then another: times add up, peaks do not."""
        wall = self.wall + other.wall
        others = (self.wall * self.others + other.wall * other.others) / wall
        peaks = max(self.memory, other.memory), max(self.disk, other.disk)
        return Cost(wall, self.cpu + other.cpu, *peaks, others)


class Point(NamedTuple):
    """A stage's cost at one size of an axis.

    Attributes:
        axis, stage: what grows, and what was measured.
        scale, size: the options' scale and the axis' size, by which a point is known again.
        work: what was done in the axis' unit, counted in what the stage wrote.
        load: the machine's load average before it.
        commit: of the code that was measured.
    """

    axis: str
    stage: str
    scale: float
    size: float
    work: float
    wall: float
    cpu: float
    memory: int
    disk: int
    others: float
    load: float
    commit: str


def read(path: Path) -> list[Point]:
    """Returns the points of a table; none where there is no table yet."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    kinds = {"axis": str, "stage": str, "commit": str, "memory": int, "disk": int}
    return [Point(**{name: kinds.get(name, float)(row[name]) for name in row}) for row in rows]


def write(path: Path, points: Iterable[Point]) -> None:
    """Writes a table, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n")
        table.writerow(Point._fields)
        table.writerows(points)
    os.replace(new, path)


def series(points: Sequence[Point], scale: float) -> dict[tuple[str, str], list[Point]]:
    """Returns the points of each stage and axis at a scale, in the order of their work."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        if point.scale == scale:
            found.setdefault((point.stage, point.axis), []).append(point)
    return {names: sorted(own, key=lambda point: point.work) for names, own in found.items()}


def curve(points: Sequence[Point], cost: str) -> list[tuple[float, float]]:
    """Returns work and one cost of each point."""
    return [(point.work, float(getattr(point, cost))) for point in points]
