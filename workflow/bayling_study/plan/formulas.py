"""The formulas of the plan. Bytes and floating-point operations, from shapes and settings.

Sources: Rajbhandari et al. 2020, "ZeRO: Memory Optimizations Toward Training
Trillion Parameter Models" (model states and their partition); Korthikanti et
al. 2022, "Reducing Activation Recomputation in Large Transformer Models"
(activations of a layer); Kaplan et al. 2020, "Scaling Laws for Neural Language
Models" (6 operations a parameter and token; one more forward pass, 2, where
activations are recomputed).
"""

from __future__ import annotations

from dataclasses import dataclass

from bayling_study.config.tuning import TuningSection
from bayling_study.export.arithmetic import HALF, Shape, memory
from bayling_study.plan.shapes import parameters

WEIGHT_BYTES = {"bf16": 2, "fp32": 4}
GRADIENT_BYTES = 4
"""Gradients are summed in fp32, also in bf16 training (the ZeRO paper has 2)."""
OPTIMIZER_BYTES = 12
"""fp32 master weights and Adam's two moments."""
FILE_SCALE_BYTES = 4
"""Our groupwise files keep scales in fp32."""
TOKEN_BYTES = 9
"""A training token on disk: 4 of text, 4 of its number, 1 of the mask."""


@dataclass(frozen=True)
class Training:
    """Bytes that one process needs while it trains.

    Attributes:
        states: weights, gradients and optimiser on the device.
        activations: of one row of ``max_length`` tokens, with its logits.
        host: states that DeepSpeed keeps in host memory.
    """

    states: int
    activations: int
    host: int

    @property
    def device(self) -> int:
        """Returns the bytes on the device."""
        return self.states + self.activations


def training_memory(shape: Shape, tuning: TuningSection, processes: int) -> Training:
    """Returns what each of ``processes`` needs.

    Stage 1 divides the optimiser's states by the number of processes, 2 also
    the gradients, 3 also the weights. ``offload: optimizer`` moves gradients and
    optimiser to the host, ``all`` with stage 3 the weights too.
    """
    count = parameters(shape)
    parts = {
        "weights": _share(count * WEIGHT_BYTES[tuning.precision], tuning, 3, processes),
        "gradients": _share(count * GRADIENT_BYTES, tuning, 2, processes),
        "optimizer": _share(count * OPTIMIZER_BYTES, tuning, 1, processes),
    }
    away = {
        "none": set(),
        "optimizer": {"gradients", "optimizer"},
        "all": {"gradients", "optimizer", *(["weights"] if tuning.zero_stage == 3 else [])},
    }[tuning.offload]
    host = sum(parts[name] for name in away)
    return Training(sum(parts.values()) - host, activations(shape, tuning), host)


def _share(total: int, tuning: TuningSection, stage: int, processes: int) -> int:
    return -(-total // processes) if tuning.zero_stage >= stage else total


def activations(shape: Shape, tuning: TuningSection) -> int:
    """Returns the activations of one row, in 16 bits, and the logits and their gradient in 32.

    A layer keeps ``s·h·(34 + 5·a·s/h)`` bytes; with recomputation each keeps its
    input (``2·s·h``) and one layer at a time all.
    """
    length, width = tuning.max_length, shape.hidden
    layer = length * width * 34 + 5 * shape.heads * length * length
    logits = 2 * 4 * length * shape.vocabulary
    if tuning.gradient_checkpointing:
        return shape.layers * HALF * length * width + layer + logits
    return shape.layers * layer + logits


def training_flops(shape: Shape, tokens: float, recompute: bool) -> float:
    """Returns the operations of training on ``tokens``: 6 a parameter, 8 with recomputation."""
    return (8 if recompute else 6) * parameters(shape) * tokens


def hours(flops: float, teraflops: float, utilisation: float) -> float:
    """Returns device hours at a peak rate and the share of it that is reached."""
    return flops / (teraflops * 1e12 * utilisation) / 3600


def checkpoint_bytes(shape: Shape, tuning: TuningSection) -> int:
    """Returns the size of one training checkpoint: weights and the optimiser's states."""
    return parameters(shape) * (WEIGHT_BYTES[tuning.precision] + OPTIMIZER_BYTES)


def export_bytes(shape: Shape, form: str, group: int) -> int:
    """Returns the size of an export's weights.

    ``groupwise``: all linear layers in 8 bits, one fp32 scale a group;
    ``bitsandbytes``: not the output layer, one fp32 scale a row;
    ``gguf``: 34 bytes for 32 values of any matrix, vectors in fp32.
    """
    if form == "groupwise":
        return memory(shape, group=group, scale_bytes=FILE_SCALE_BYTES).int8
    output = 0 if shape.tied else shape.vocabulary * shape.hidden
    if form == "bitsandbytes":
        inner = shape.matrices()[: 7 * shape.layers]
        scales = 4 * sum(rows for rows, _ in inner)
        linear = sum(rows * columns for rows, columns in inner)
        return linear + scales + HALF * (shape.kept() + output)
    vectors = (2 * shape.layers + 1) * shape.hidden
    matrices = parameters(shape) - vectors
    return matrices * 34 // 32 + 4 * vectors
