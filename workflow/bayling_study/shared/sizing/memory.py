"""Memory of a training process, from the model's shape and the settings.

Model states and their partition are those of Rajbhandari et al. 2020, "ZeRO: Memory Optimizations
Toward Training Trillion Parameter Models": weights in the compute precision, gradients, and 12
bytes per trained parameter for fp32 weights and Adam's two moments. Gradients are fp32 here, for
they are summed over the sequences of a step (the paper has 16 bits). What comes on top:

* activations, counted from transformers' Llama block, because the published count (Korthikanti et
  al. 2022, 34 bytes per value of the hidden state) is of GPT's block: two norms keep their input
  and their result (``stages/tuning/fused.py``; norms of another kind than Llama's keep copies in
  fp32 as well, which are not counted), attention its inputs and its result, the gated MLP four
  values per neuron, and eager attention its scores inside conversations;
* logits, only where a token is supervised, and their gradient;
* DeepSpeed's buffers (0.19, by what it allocates): a bucket of gradients; at stage 1 in bf16 the
  16-bit gradients beside their sum; at stage 3 the weights that are gathered at one time, and while
  the optimiser steps a second copy of the gradients; with offload at stage 1 and 2 room for the
  largest gradient.

What offload moves is not what one would think; read from DeepSpeed 0.19.8, bytes per parameter of a
process's share:

* stage 2 (``runtime/zero/stage_1_and_2.py``): gradients are summed in fp32 on the device also with
  offload (4; ``_use_compact_grad_partition_buffer`` and ``_build_compact_grad_partition_buffer``,
  lines 1259 to 1301, filled at 1674) and copied to the host only when the step ends (2145 to 2155).
  The host has fp32 weights and moments (12; 560), the gradient that Adam reads (4; 937 to 941) and
  a buffer in the compute precision for the way back (2 in bf16; 568 to 575): 18. In fp32 the sum
  itself is on the host (4; 1824), so 24, and the device's 4 are the copy from which the host's
  weights are made when it starts (560);
* stage 1: as stage 2, and each process sums all gradients before they are shared out (4 a
  parameter, not of a share; 1233 to 1240);
* stage 3 (``runtime/zero/stage3.py``): 12 and two fp32 gradients on the host, the sum
  (``grad_partitions_flat_buffer``, 791) and the one that Adam reads (1338 to 1342): 20; with
  ``offload: all`` the 16-bit weights too (906): 22 in bf16.

Neither the libraries nor the CUDA context are in these numbers, nor, unless asked for
(``heap_holes``), what an allocator holds on to.
"""

import math
from typing import NamedTuple

from bayling_study.config.tuning import Adapter, TuningSection
from bayling_study.shared.sizing.shape import Shape

WEIGHT_BYTES = {"bf16": 2, "fp32": 4}
GRADIENT_BYTES = 4  # gradients are summed in fp32, also in bf16 training
OPTIMIZER_BYTES = 12  # fp32 master weights and Adam's two moments
FOUR_BITS = 0.5 + 4 / 64
"""Bytes of a weight in NF4 with an fp32 constant for each block of 64 (QLoRA)."""
LIBRARIES = 410 << 20
"""Bytes of Python, torch, transformers and DeepSpeed in a process, before its model is loaded."""
HOLES, LEVEL = 0.1, 25
"""Bytes of the C library's heap that no one uses, per byte of activations and root of the number
of steps up to the second number, in a process that trains on cores: its sequences ask for blocks of
ever other sizes. With SmolLM2-135M and sequences of up to 1,694 tokens (1.9 GiB of activations) a
process held at most 4.7 GiB after one step, 4.9 after 9, 5.2 after 33, 5.7 after 90 and 125."""
BUCKET = 1 << 25  # gradients that DeepSpeed sums over processes at a time
GATHERED = 1 << 28  # parameters that stage 3 holds whole at a time, at most
SUBGROUP = 1_000_000_000
"""Parameters that stage 3 updates at a time (DeepSpeed's ``sub_group_size``)."""


class TrainingMemory(NamedTuple):
    """Bytes that one process needs while it trains. ``states`` are weights, gradients and optimiser
    on the device, ``activations`` those of one packed sequence with its logits, ``buffers``
    DeepSpeed's, ``host`` the states that it keeps in host memory, ``holes`` those of the heap once
    the training has run (``heap_holes``)."""

    states: int
    activations: int
    buffers: int
    host: int
    holes: int = 0

    @property
    def device(self) -> int:
        """Returns the bytes on the device."""
        return self.states + self.activations + self.buffers + self.holes

    @property
    def resident(self) -> int:
        """Returns the bytes of a process whose device is the host: the libraries' are with them."""
        return self.device + self.host + LIBRARIES


def training_memory(
    shape: Shape, tuning: TuningSection, processes: int, attention: str = "sdpa",
    supervised: int | None = None,
) -> TrainingMemory:  # fmt: skip
    """Returns what each of ``processes`` needs with settings in which no ``auto`` is left. Stage 1
    divides the optimiser's states by the number of processes, 2 also the gradients, 3 also the
    weights. ``offload: optimizer`` moves the optimiser to the host and at stage 3 the gradients,
    ``all`` at stage 3 the weights too. Of a packed sequence at most ``supervised`` tokens are
    supervised, or all; ``attention`` is the kernel."""
    stage, offload = tuning.zero_stage, tuning.offload
    if stage == "auto" or offload == "auto":
        raise ValueError("the plan must have chosen a stage and an offload")
    trained, size = trained_parameters(shape, tuning), WEIGHT_BYTES[tuning.precision]
    weights = _share(_weights(shape, tuning), stage >= 3, processes)
    if offload == "none":
        gradients = _share(trained * GRADIENT_BYTES, stage >= 2, processes)
        states, host = gradients + _share(trained * OPTIMIZER_BYTES, True, processes), 0
    else:
        states, host = _offloaded(stage, trained, size, processes)
    moved = weights if stage == 3 and offload == "all" else 0
    states, host = states + weights - moved, host + moved
    buffers = min(BUCKET, trained) * (GRADIENT_BYTES if stage == 1 else size)
    if stage == 1 and size < GRADIENT_BYTES and offload == "none":
        buffers += trained * size
    if stage < 3 and offload != "none":
        largest = _largest(shape, tuning) * size
        buffers, host = buffers + largest, host + largest
    if stage == 3:
        buffers += min(GATHERED, shape.parameters()) * size
        second = _share(min(SUBGROUP, trained) * GRADIENT_BYTES, True, processes)
        buffers += second if offload == "none" else 0
    return TrainingMemory(states, activations(shape, tuning, attention, supervised), buffers, host)


def heap_holes(need: TrainingMemory, steps: float) -> int:
    """Returns the bytes that a process on cores holds for nothing after so many steps."""
    return round(HOLES * need.activations * math.sqrt(min(steps, LEVEL)))


def _offloaded(stage: int, trained: int, size: int, processes: int) -> tuple[int, int]:
    """Returns gradients on the device and states on the host, as the module says."""
    share = _share(trained, True, processes)
    if stage == 3:
        return 0, share * (OPTIMIZER_BYTES + 2 * GRADIENT_BYTES)
    whole = trained * GRADIENT_BYTES if stage == 1 else 0
    summed = 0 if size < GRADIENT_BYTES else GRADIENT_BYTES
    host = share * (OPTIMIZER_BYTES + GRADIENT_BYTES + size + summed)
    return whole + share * GRADIENT_BYTES, host


def _share(total: int, divided: bool, processes: int) -> int:
    return -(-total // processes) if divided else total


def trained_parameters(shape: Shape, tuning: TuningSection) -> int:
    """Returns how many parameters are trained: all, or an adapter's two thin matrices per layer,
    with embedding and output layer if it says so."""
    if (adapter := tuning.adapter) is None:
        return shape.parameters()
    ends = shape.vocabulary * shape.hidden * (1 if shape.tied else 2)
    return adapter_parameters(shape, adapter) + adapter.embeddings * ends


def adapter_parameters(shape: Shape, adapter: Adapter) -> int:
    """Returns the parameters of an adapter's thin matrices: rank times (out + in) of a target."""
    sizes = [size for name, size in shape.block().items() if name in adapter.targets]
    return shape.layers * adapter.rank * sum(map(sum, sizes))


def _largest(shape: Shape, tuning: TuningSection) -> int:
    """Returns the parameters of the largest trained matrix."""
    if tuning.adapter is None:
        matrices = [*shape.block().values(), (shape.vocabulary, shape.hidden)]
        return max(rows * columns for rows, columns in matrices)
    sizes = [max(size) for name, size in shape.block().items() if name in tuning.adapter.targets]
    whole = tuning.adapter.embeddings * shape.vocabulary * shape.hidden
    return max(tuning.adapter.rank * max(sizes, default=0), whole)


def _weights(shape: Shape, tuning: TuningSection) -> int:
    size, adapter = WEIGHT_BYTES[tuning.precision], tuning.adapter
    whole = shape.parameters() + (adapter_parameters(shape, adapter) if adapter else 0)
    if adapter is None or adapter.kind == "lora":
        return whole * size
    linear = shape.layers * sum(rows * columns for rows, columns in shape.block().values())
    return round(linear * FOUR_BITS) + (whole - linear) * size


def packed_length(tuning: TuningSection) -> int:
    """Returns the length of a packed sequence; ``auto`` is at least the longest conversation."""
    return tuning.max_length if tuning.micro_batch_tokens == "auto" else tuning.micro_batch_tokens


def activations(
    shape: Shape, tuning: TuningSection, attention: str = "sdpa", supervised: int | None = None
) -> int:
    """Returns the activations of one packed sequence and its logits. With recomputation each layer
    keeps its input, and one layer at a time all."""
    length, size = packed_length(tuning), WEIGHT_BYTES[tuning.precision]
    if tuning.alignment:  # its pairs are a sequence of their own
        length = max(length, tuning.alignment.longest)
    layer = layer_bytes(shape, length, size, attention, tuning.max_length)
    every = packed_length(tuning) if supervised is None else supervised
    logits = every * shape.vocabulary * 2 * size  # with their gradient
    if tuning.gradient_checkpointing:
        # The recomputed layer, and the gradients that go back through it.
        return shape.layers * size * length * shape.hidden + 2 * layer + logits
    return shape.layers * layer + max(layer, logits)


def layer_bytes(shape: Shape, length: int, size: int, attention: str, longest: int) -> int:
    """Returns what one block keeps of a sequence of ``length`` tokens for its backward pass.
    ``size`` are the bytes of a value in the compute precision. ``eager`` keeps the softmax of all
    scores inside conversations, which have ``longest`` tokens at most."""
    query, key = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    norms = 2 * shape.hidden * 2 * size
    attended = size * (3 * query + 2 * key)
    gated = 4 * size * shape.intermediate
    softmax = 4 if size == 4 else 4 + size  # in fp32, and in the compute precision
    scores = shape.heads * softmax * min(length, longest) if attention == "eager" else 0
    return length * (norms + attended + gated + scores)
