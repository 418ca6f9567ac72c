"""How a cost grows with work, and where that meets what a machine has: arithmetic only.

A cost that grows is seen in one of two shapes: a part that is always there and one in proportion to
the work (memory of libraries and of rows), or a power of the work (pairs of systems). A power law
through the first falls short of it, a straight line through the second too, so that what lies
beyond the largest point is reckoned both ways, through the two largest points, and the larger cost
counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

FAR = 1000.0
"""Times the largest work up to which anything is said: beyond, a law is a guess."""
NOISE = 0.1
"""Share by which two measurements of one size may differ: less between two sizes is no growth."""

Points = Sequence[tuple[float, float]]
"""Work and cost of each measurement, in the order of the work."""


class Limit(NamedTuple):
    """What a machine runs out of first, and at which work."""

    resource: str
    work: float


def exponent(points: Points) -> float | None:
    """Returns the slope of log cost over log work by least squares; none of fewer than two works.
    1 is in proportion, 0 does not grow."""
    logs = [(math.log(work), math.log(cost)) for work, cost in points if work > 0 and cost > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    middle = math.fsum(x for x, _ in logs) / len(logs)
    height = math.fsum(y for _, y in logs) / len(logs)
    across = math.fsum((x - middle) ** 2 for x, _ in logs)
    return math.fsum((x - middle) * (y - height) for x, y in logs) / across


def predicted(points: Points, work: float) -> float | None:
    """Returns the cost of more work than was measured, the larger of what a line and a power law
    through the two largest points say; none where no two works have been measured."""
    power = exponent(points[-2:])
    if power is None:
        return None
    (small, less), (large, cost) = points[-2:]
    line = cost + (cost - less) / (large - small) * (work - large)
    return max(line, cost * math.pow(work / large, power))


def reached(points: Points, capacity: float) -> float | None:
    """Returns the work at which the cost is as large as a capacity, the nearer of what the two laws
    of ``predicted`` say; none where that is further than ``FAR``, or the cost does not grow."""
    power = exponent(points[-2:])
    if power is None:
        return None
    (small, less), (large, cost) = points[-2:]
    if cost < (1 + NOISE) * max(earlier for _, earlier in points[:-1]):
        return None
    line = large + (capacity - cost) * (large - small) / (cost - less)
    logarithm = math.log(large) + math.log(capacity / cost) / power
    if logarithm < math.log(FAR * large):  # or the power may be too large for a number
        line = min(line, math.exp(logarithm))
    return line if line <= FAR * large else None


def first_limit(costs: Mapping[str, Points], capacities: Mapping[str, float]) -> Limit | None:
    """Returns which capacity is reached at the least work, by the name of its resource."""
    found = [
        Limit(name, work)
        for name, capacity in capacities.items()
        if (work := reached(costs[name], capacity)) is not None
    ]
    return min(found, key=lambda limit: limit.work, default=None)
