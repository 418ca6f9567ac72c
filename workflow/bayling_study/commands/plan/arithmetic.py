"""How many bytes a Llama model and its files need, from its shape and the settings.

The paper says that its 8-bit switch runs 7B in 10 GB and 13B in 16 GB. The weights, the key-value
cache of 2,048 tokens and the largest matrix, which upstream rebuilds whole in 16 bits, add up to
7.69 and 14.24 GiB: the claim is sound. Activations and the CUDA context come on top; they depend on
the batch and are not in these numbers.
"""

from typing import NamedTuple

from bayling_study.config.tuning import TuningSection
from bayling_study.shared.sizing.memory import OPTIMIZER_BYTES, trained_parameters
from bayling_study.shared.sizing.shape import Shape

HALF = 2
PAPER_SCALE_BYTES, FILE_SCALE_BYTES = 2, 4
"""Upstream keeps scales in the weights' 16 bits, our groupwise files keep them in fp32."""
TOKEN_BYTES = 9  # a training token on disk: 4 of text, 4 of its number, 1 of the mask


class Memory(NamedTuple):
    """Bytes that a model needs: weights in 16 bits or, of linear layers, in 8 with scales; then
    with the cache, and with the largest matrix, both in 16 bits. ``linear`` counts parameters."""

    linear: int
    fp16: int
    int8: int
    with_cache: int
    with_matrix: int


def memory(
    shape: Shape, tokens: int = 2048, group: int = 256, scale_bytes: int = PAPER_SCALE_BYTES
) -> Memory:
    """Returns what a model needs to answer one prompt, in ``tokens`` with the answer; ``group``
    input columns share a scale of 2 bytes (the paper's numbers) or 4 (our files')."""
    matrices = shape.matrices()
    linear = sum(rows * columns for rows, columns in matrices)
    scales = sum(rows * -(-columns // group) for rows, columns in matrices)
    kept = shape.kept() * HALF
    int8 = linear + scales * scale_bytes + kept
    cache = 2 * shape.layers * shape.kv_heads * shape.head_size * tokens * HALF
    largest = max(rows * columns for rows, columns in matrices) * HALF
    return Memory(linear, linear * HALF + kept, int8, int8 + cache, int8 + cache + largest)


def checkpoint_bytes(shape: Shape, tuning: TuningSection) -> int:
    """Returns the size of one training checkpoint: fp32 weights and moments of what is trained."""
    return trained_parameters(shape, tuning) * OPTIMIZER_BYTES


def export_bytes(shape: Shape, form: str, group: int) -> int:
    """Returns the size of an export's weights. ``groupwise``: all linear layers in 8 bits, one fp32
    scale a group; ``bitsandbytes``: not the output layer, one fp32 scale a row; ``gguf``: 34 bytes
    for 32 values of any matrix, vectors in fp32."""
    if form == "groupwise":
        return memory(shape, group=group, scale_bytes=FILE_SCALE_BYTES).int8
    if form == "bitsandbytes":
        inner = shape.matrices()[: 7 * shape.layers]
        linear = sum(rows * columns for rows, columns in inner)
        return linear + 4 * sum(rows for rows, _ in inner) + HALF * (shape.parameters() - linear)
    vectors = (2 * shape.layers + 1) * shape.hidden
    return (shape.parameters() - vectors) * 34 // 32 + 4 * vectors
