"""Symmetric 8-bit weights in groups, as BayLing's ``--load-8bit`` computes them.

The paper's scheme: the columns (input dimension) of a weight matrix are cut into groups of 256;
each group of each row is scaled so that its largest magnitude becomes 127, and rounded. The
authors keep ``127 / max|w|`` in the weight's own precision, which is infinite for a group of
zeros and, in fp16, for every group whose largest magnitude is under about 0.0019 (127 / 65504):
such a group is silently turned into zeros.

Here the scale is the step ``max|w| / 127`` in fp32, by which values are multiplied. It cannot
overflow, a group of zeros has step 0 and is exact, and the smallest groups that fp16 or bf16 can
hold keep their values. The price is 2 more bytes for 256 values, 0.8 % of the file. The zeros
that pad the short group at the end of a row in the paper's code change neither its maximum nor
its values, so they are not stored.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

LEVELS = 127
BLOCK_ELEMENTS = 1 << 20
"""Values worked on at once: 4 MiB in fp32, which stays in a processor's cache."""
PRODUCT_ELEMENTS = 1 << 24  # values rebuilt at once by ``GroupwiseLinear``: 32 MiB in 16 bits


def group_count(columns: int, group: int) -> int:
    """Returns the number of groups in a row; the last one may be short."""
    return -(-columns // group)


def row_blocks(rows: int, columns: int, elements: int = BLOCK_ELEMENTS) -> Iterator[slice]:
    """Cuts a matrix into blocks of whole rows with about ``elements`` values each."""
    height = max(1, elements // max(1, columns))
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def quantise(weight: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Quantises rows ``(rows, columns)`` of any float type, finite; ``group`` columns share a step.
    Returns ``int8`` of the same shape, and the steps, fp32 ``(rows, groups)``. Each rebuilt value
    is within half a step of the original (plus fp32 rounding)."""
    rows, columns = weight.shape
    padded = _padded(weight.float(), group)
    step = padded.abs().amax(dim=2) / LEVELS
    divisor = torch.where(step > 0, step, torch.ones_like(step))
    # The clamp matters only for subnormal steps, where the quotient may pass 127.
    levels = (padded / divisor.unsqueeze(2)).round_().clamp_(-LEVELS, LEVELS)
    return levels.to(torch.int8).reshape(rows, -1)[:, :columns].contiguous(), step


def dequantise(values: Tensor, scale: Tensor, group: int, dtype: torch.dtype) -> Tensor:
    """Rebuilds a block of rows from int8 ``(rows, columns)`` and steps ``(rows, groups)``. The
    product is taken in fp32 and rounded once to ``dtype``."""
    rows, columns = values.shape
    product = _padded(values.float(), group).mul_(scale.unsqueeze(2))
    return product.reshape(rows, -1)[:, :columns].to(dtype)


def _padded(weight: Tensor, group: int) -> Tensor:
    """Returns ``(rows, groups, group)``, the last group filled up with zeros."""
    rows, columns = weight.shape
    missing = group_count(columns, group) * group - columns
    if missing:
        weight = functional.pad(weight, (0, missing))
    return weight.reshape(rows, -1, group)


class GroupwiseLinear(nn.Module):  # type: ignore[misc]  # torch is not type-checked
    """A linear layer that keeps its weight in 8 bits, ``(out, in)``, and rebuilds it while it
    multiplies, a block of rows at a time: even the output layer never exists whole in 16 bits.
    ``scale``, ``(out, groups)``, stays fp32 when the model is cast."""

    int8: Tensor
    scale: Tensor

    def __init__(self, int8: Tensor, scale: Tensor, group: int, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.out_features, self.in_features = int8.shape
        self.group = group
        self.register_buffer("int8", int8)
        self.register_buffer("scale", scale)
        self.register_parameter("bias", bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns ``inputs @ weight.T + bias``: ``(…, in)`` to ``(…, out)``."""
        output = inputs.new_empty(*inputs.shape[:-1], self.out_features)
        for rows in row_blocks(self.out_features, self.in_features, PRODUCT_ELEMENTS):
            weight = dequantise(self.int8[rows], self.scale[rows], self.group, inputs.dtype)
            output[..., rows] = functional.linear(inputs, weight)
        return output if self.bias is None else output + self.bias

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "GroupwiseLinear":
        """Moves with the model between devices, but keeps the steps in fp32 when it is cast."""
        scale = self.scale
        super()._apply(fn, recurse)
        if self.scale.dtype != scale.dtype:
            self.scale = scale.to(self.scale.device)
        return self
