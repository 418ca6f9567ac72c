"""Turns one tensor into the bytes of a format and measures what that costs in accuracy. A matrix is
worked on in blocks of rows that fit a cache; errors are summed in double precision."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bayling_study.core.errors import StudyError
from bayling_study.shared.quantised.groupwise import LEVELS, row_blocks

Put = Callable[[int, Tensor], None]
"""Writes what comes next of a stored part: its number in the plan, and the values."""
FP16_BYTES = 2
PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}
NORM_VALUES = 1 << 18
"""Values that torch's norm adds up at a time: of 28 million it loses 0.16 % (torch 2.13 on a CPU,
``findings/torch-norms-of-large-tensors-are-small.sh``)."""


@dataclass(frozen=True)
class Block:
    """A block of rows in 8 bits: the tensors that go to disk, rows first, and the int8 values.
    ``rebuilt`` is fp32 ``(rows, columns)``, what a reader of the file will see."""

    parts: tuple[Tensor, ...]
    rebuilt: Tensor
    levels: Tensor


@dataclass(frozen=True)
class TensorError:
    """What the export did to one tensor of so many values, by its name in the checkpoint.
    ``error_square`` and ``weight_square`` are sums of squares of the error and of the original,
    ``max_error`` is absolute. ``saturated`` values are at ±127: each group has at least one, none
    is ever clipped. ``bytes`` is the size on disk."""

    tensor: str
    quantised: bool
    values: int
    error_square: float
    weight_square: float
    max_error: float
    saturated: int
    bytes: int


def encode_matrix(
    name: str, weight: Tensor, codec: Callable[[Tensor], Block], put: Put
) -> TensorError:
    """Encodes a matrix ``(rows, columns)`` by fp32 blocks of rows (``StudyError``: not finite)."""
    error_square = weight_square = max_error = 0.0
    saturated = size = 0
    for rows in row_blocks(*weight.shape):
        original = weight[rows].to(torch.float32, copy=True)
        weight_square += _square(name, original)
        block = codec(original)
        difference = original.sub_(block.rebuilt)
        error_square += _square(name, difference)
        max_error = max(max_error, _magnitude(difference))
        # numpy counts ten times faster than a tensor's ``sum``
        saturated += int(np.count_nonzero(np.abs(block.levels.numpy()) == LEVELS))
        for number, part in enumerate(block.parts):
            size += part.nbytes
            put(number, part)
    errors = error_square, weight_square, max_error
    return TensorError(name, True, weight.numel(), *errors, saturated, size)


def encode_kept(name: str, value: Tensor, dtype: torch.dtype, put: Put) -> TensorError:
    """Encodes a tensor that stays unquantised, in another precision where asked (``StudyError`` if
    it holds a NaN or an infinity, or a value that ``dtype`` cannot hold)."""
    stored = value.to(dtype)
    put(0, stored)
    if not value.is_floating_point():
        return TensorError(name, False, value.numel(), 0, 0, 0, 0, stored.nbytes)
    weight_square = _square(name, value)
    error_square = max_error = 0.0
    if stored.dtype != value.dtype:
        difference = value.float() - stored.float()
        if not bool(torch.isfinite(difference).all()):
            what = f"the tensor {name!r} has values beyond the range of {dtype}"
            raise StudyError(what, fix="export:\n  kept_precision: bf16")
        error_square, max_error = _square(name, difference), _magnitude(difference)
    errors = error_square, weight_square, max_error
    return TensorError(name, False, value.numel(), *errors, 0, stored.nbytes)


def kept_dtype(dtype: torch.dtype, precision: str) -> torch.dtype:
    """Returns the precision in which an unquantised tensor is stored. 16-bit tensors and integers
    stay as they are; wider floats become ``precision`` (``fp16``, ``bf16``, or ``source`` for no
    change)."""
    if not dtype.is_floating_point or dtype.itemsize <= FP16_BYTES or precision == "source":
        return dtype
    return PRECISIONS[precision]


def _square(name: str, values: Tensor) -> float:
    """Returns the sum of squares; a NaN or an infinity in it is the tensor's fault."""
    parts = values.reshape(-1).split(NORM_VALUES)
    square = sum(float(torch.linalg.vector_norm(part.float())) ** 2 for part in parts)
    if not math.isfinite(square):  # or merely too large for fp32: look again in double
        square = sum(float(torch.linalg.vector_norm(p, dtype=torch.float64)) ** 2 for p in parts)
    if not math.isfinite(square):
        bad = int((~torch.isfinite(values)).sum())
        what = f"the tensor {name!r} holds NaN or infinite values ({bad} in the first block found)"
        fix = "the checkpoint is damaged or training diverged; export an earlier one"
        raise StudyError(what, fix=fix)
    return square


def _magnitude(values: Tensor) -> float:
    return float(values.abs().max()) if values.numel() else 0.0


def summary(rows: Sequence[TensorError]) -> dict[str, float]:
    """Returns the totals that go into the run record. ``relative_error`` is the Frobenius norm of
    the error over that of the weights, of the quantised tensors; sizes are in bytes and against 16
    bits."""
    quantised = [row for row in rows if row.quantised]
    values = sum(row.values for row in quantised)
    stored, half = sum(row.bytes for row in rows), sum(row.values for row in rows) * FP16_BYTES
    return {
        "tensors": len(rows),
        "quantised_tensors": len(quantised),
        "relative_error": _relative(quantised),
        "max_error": max((row.max_error for row in quantised), default=0.0),
        "saturated_share": sum(row.saturated for row in quantised) / max(1, values),
        "bytes": stored,
        "bytes_fp16": half,
        "size_share": stored / max(1, half),
    }


def error_report(rows: Sequence[TensorError]) -> dict[str, Any]:
    """Returns the content of ``error.json``: totals, then one row per tensor."""
    tensors = [
        asdict(row)
        | {
            "relative_error": _relative([row]),
            "saturated_share": row.saturated / max(1, row.values),
            "bytes_fp16": row.values * FP16_BYTES,
        }
        for row in rows
    ]
    return {"schema": 1, "total": summary(rows), "tensors": tensors}


def _relative(errors: list[TensorError]) -> float:
    weight = sum(row.weight_square for row in errors)
    return float((sum(row.error_square for row in errors) / weight) ** 0.5) if weight else 0.0
