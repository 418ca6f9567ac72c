"""Differences of tensors and their sums, in fp32, block by block.

The sum in fp32 of a base and a delta stored in fp32 gives every 16-bit target back bit by bit,
but for elements more than 2^16 times smaller than the base's. With a delta in 16 bits (fp16 as
the authors released it) an element is off by at most half a step of the stored delta plus half a
step of the target's own type. Whether and by how much is measured when a delta is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 1 << 22  # elements that are computed in fp32 at a time (16 MiB a copy)


@dataclass(frozen=True)
class Loss:
    """What is lost when a target is restored from its delta. ``inexact`` elements differ from the
    target, by ``largest`` at most; the delta's type cannot hold ``infinite`` ones."""

    inexact: int
    largest: float
    infinite: int


def grown(base: Tensor, rows: int) -> Tensor:
    """Returns a base with zeros for the rows that only the target has, so that they are its own."""
    missing = rows - base.shape[0]
    return torch.cat([base, base.new_zeros(missing, *base.shape[1:])]) if missing else base


def difference(target: Tensor, base: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns target minus base in the given type; both have the same shape."""
    delta = torch.empty(target.shape, dtype=dtype)
    for one, two, out in _blocks(target, base, delta):
        out.copy_(one.float() - two.float())
    return delta


def restored(base: Tensor, delta: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns base plus delta in the target's type; both have the same shape."""
    target = torch.empty(delta.shape, dtype=dtype)
    for one, two, out in _blocks(base, delta, target):
        out.copy_(one.float() + two.float())
    return target


def loss(target: Tensor, base: Tensor, delta: Tensor) -> Loss:
    """Measures what ``restored`` changes in a target."""
    again = restored(base, delta, target.dtype)
    inexact, largest = 0, 0.0
    for one, two, _ in _blocks(target, again, again):
        apart = (one.double() - two.double()).abs()
        inexact += int((apart > 0).sum())
        largest = max(largest, float(apart.max()))
    return Loss(inexact, largest, int((~torch.isfinite(delta)).sum()))


def _blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    flat = [tensor.reshape(-1) for tensor in tensors]
    for start in range(0, flat[0].numel(), BLOCK):
        yield tuple(tensor[start : start + BLOCK] for tensor in flat)
