"""Memory of a training process, from the model's shape and the settings.

Model states and their partition are those of Rajbhandari et al. 2020, "ZeRO:
Memory Optimizations Toward Training Trillion Parameter Models": weights in the
compute precision, gradients, and 12 bytes a trained parameter for fp32 weights
and Adam's two moments. Gradients are fp32 here, for they are summed over the
rows of a step (the paper has 16 bits). What comes on top:

* activations, counted from transformers' Llama block, because the published
  count (Korthikanti et al. 2022, 34 bytes a value of the hidden state) is of
  GPT's block: two norms keep their input in fp32 and their result twice in 16
  bits, attention its inputs and its result, the gated MLP four values a
  neuron, and eager attention its scores;
* logits, only where a token is learnt: in 16 bits, in fp32, as probabilities
  and their gradient;
* DeepSpeed's buffers (0.19, by what it allocates): a bucket of gradients; at
  stage 1 in bf16 the 16-bit gradients beside their sum; at stage 3 the weights
  that are gathered at one time, and while the optimiser steps a second copy of
  the gradients.

Neither the libraries nor the CUDA context are in these numbers, nor what an
allocator holds on to: with rows of many lengths the C library's heap on the CPU
took a third more.
"""

from __future__ import annotations

from dataclasses import dataclass

from bayling_study.config.tuning import TuningSection
from bayling_study.sizing.shape import Shape

WEIGHT_BYTES = {"bf16": 2, "fp32": 4}
GRADIENT_BYTES = 4
"""Gradients are summed in fp32, also in bf16 training."""
OPTIMIZER_BYTES = 12
"""fp32 master weights and Adam's two moments."""
FOUR_BITS = 0.5 + 4 / 64
"""Bytes of a weight in NF4 with an fp32 constant for each block of 64 (QLoRA)."""
BUCKET = 1 << 25
"""Gradients that DeepSpeed sums over processes at a time."""
GATHERED = 1 << 28
"""Parameters that stage 3 holds whole at a time, at most."""
SUBGROUP = 1_000_000_000
"""Parameters that stage 3 updates at a time (DeepSpeed's ``sub_group_size``)."""


@dataclass(frozen=True)
class Training:
    """Bytes that one process needs while it trains.

    Attributes:
        states: weights, gradients and optimiser on the device.
        activations: of one row, with its logits.
        buffers: DeepSpeed's.
        host: states that DeepSpeed keeps in host memory.
    """

    states: int
    activations: int
    buffers: int
    host: int

    @property
    def device(self) -> int:
        """Returns the bytes on the device."""
        return self.states + self.activations + self.buffers


def training_memory(
    shape: Shape,
    tuning: TuningSection,
    processes: int,
    attention: str = "sdpa",
    learnt: int | None = None,
) -> Training:
    """Returns what each of ``processes`` needs.

    Stage 1 divides the optimiser's states by the number of processes, 2 also
    the gradients, 3 also the weights. ``offload: optimizer`` moves gradients and
    optimiser to the host, ``all`` with stage 3 the weights too.

    Args:
        shape: of the model.
        tuning: with a stage, an offload and a row length, none of them ``auto``.
        processes: number of processes.
        attention: kernel.
        learnt: learnt tokens of a row at most; none means all.
    """
    stage, offload = tuning.zero_stage, tuning.offload
    if stage == "auto" or offload == "auto":
        raise ValueError("the plan must have chosen a stage and an offload")
    trained, size = trained_parameters(shape, tuning), WEIGHT_BYTES[tuning.precision]
    parts = {
        "weights": _share(_weights(shape, tuning), stage >= 3, processes),
        "gradients": _share(trained * GRADIENT_BYTES, stage >= 2, processes),
        "optimizer": _share(trained * OPTIMIZER_BYTES, True, processes),
    }
    away = {
        "none": set(),
        "optimizer": {"gradients", "optimizer"},
        "all": {"gradients", "optimizer", *(["weights"] if stage == 3 else [])},
    }[offload]
    host = sum(parts[name] for name in away)
    buffers = min(BUCKET, trained) * (GRADIENT_BYTES if stage == 1 else size)
    if stage == 1 and size < GRADIENT_BYTES and offload == "none":
        buffers += trained * size
    if stage == 3:
        buffers += min(GATHERED, shape.parameters()) * size
        second = _share(min(SUBGROUP, trained) * GRADIENT_BYTES, True, processes)
        buffers += 0 if "gradients" in away else second
    live = activations(shape, tuning, attention, learnt)
    return Training(sum(parts.values()) - host, live, buffers, host)


def _share(total: int, divided: bool, processes: int) -> int:
    return -(-total // processes) if divided else total


def trained_parameters(shape: Shape, tuning: TuningSection) -> int:
    """Returns how many parameters are trained: all, or the adapters' two thin matrices a layer."""
    if tuning.adapter is None:
        return shape.parameters()
    sizes = [size for name, size in shape.block().items() if name in tuning.adapter.targets]
    return shape.layers * tuning.adapter.rank * sum(map(sum, sizes))


def _weights(shape: Shape, tuning: TuningSection) -> int:
    size = WEIGHT_BYTES[tuning.precision]
    if tuning.adapter is None:
        return shape.parameters() * size
    thin = trained_parameters(shape, tuning) * size
    if tuning.adapter.kind == "lora":
        return shape.parameters() * size + thin
    linear = shape.layers * sum(rows * columns for rows, columns in shape.block().values())
    return round(linear * FOUR_BITS) + (shape.parameters() - linear) * size + thin


def row_tokens(tuning: TuningSection) -> int:
    """Returns the length of a packed row; ``auto`` is at least the longest conversation."""
    return tuning.max_length if tuning.micro_tokens == "auto" else tuning.micro_tokens


def activations(
    shape: Shape, tuning: TuningSection, attention: str = "sdpa", learnt: int | None = None
) -> int:
    """Returns the activations of one row and its logits.

    With recomputation each layer keeps its input, and one layer at a time all.
    """
    length, size = row_tokens(tuning), WEIGHT_BYTES[tuning.precision]
    layer = layer_bytes(shape, length, size, attention)
    logits = logit_bytes(shape, length if learnt is None else learnt, size)
    if tuning.gradient_checkpointing:
        # The recomputed layer, and the gradients that go back through it.
        return shape.layers * size * length * shape.hidden + 2 * layer + logits
    return shape.layers * layer + max(layer, logits)


def layer_bytes(shape: Shape, length: int, size: int, attention: str) -> int:
    """Returns what one block keeps of a row for its backward pass.

    Args:
        shape: of the model.
        length: tokens of the row.
        size: bytes of a value in the compute precision.
        attention: kernel; those with a full mask copy keys and values for every head, and
            ``eager`` keeps the softmax of all scores.
    """
    query, key = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    norms = 2 * shape.hidden * (4 + 2 * size)
    copies = 2 * query if attention in ("eager", "sdpa") else 2 * key
    attended = size * (query + copies + 2 * query)
    gated = 4 * size * shape.intermediate
    return length * (norms + attended + gated) + length * length * _square(shape, size, attention)


def _square(shape: Shape, size: int, attention: str) -> int:
    """Returns the bytes that a layer keeps for each pair of tokens of a row."""
    if attention == "sdpa":
        return size  # the mask as numbers
    softmax = 4 if size == 4 else 4 + size  # in fp32, and in the compute precision
    return shape.heads * softmax if attention == "eager" else 0


def logit_bytes(shape: Shape, learnt: int, size: int) -> int:
    """Returns the logits of learnt tokens: as computed, in fp32, as probabilities, as gradient."""
    wide = 4 * 3 if size == 4 else size + 4 * 3
    return learnt * shape.vocabulary * wide
