"""How many bytes a Llama model needs in 16 and in 8 bits, from its shape alone.

The paper says that its 8-bit switch runs 7B in 10 GB and 13B in 16 GB. The
weights, the key-value cache of 2,048 tokens and the largest matrix, which
upstream rebuilds whole in 16 bits, add up to 7.69 and 14.24 GiB: the claim is
sound. Activations and the CUDA context come on top; they depend on the batch
and are not in these numbers.
"""

from dataclasses import dataclass

from bayling_study.shared.sizing.shape import Shape

GIBIBYTE = 1 << 30
HALF = 2
PAPER_SCALE_BYTES = 2
"""Upstream keeps scales in the weights' 16 bits; our files keep fp32 (4)."""


@dataclass(frozen=True)
class Memory:
    """Bytes that a model needs (``linear`` is a count: the parameters in linear layers).

    ``fp16`` and ``int8`` are the weights, the latter with linear layers in 8 bits and scales;
    then the key-value cache and the largest matrix, both in 16 bits, come on top.
    """

    linear: int
    fp16: int
    int8: int
    with_cache: int
    with_matrix: int


def memory(
    shape: Shape, tokens: int = 2048, group: int = 256, scale_bytes: int = PAPER_SCALE_BYTES
) -> Memory:
    """Returns what a model needs to answer one prompt; ``tokens`` counts the answer too.

    ``group`` input columns share a scale of 2 bytes (the paper's numbers) or 4 (our files').
    """
    matrices = shape.matrices()
    linear = sum(rows * columns for rows, columns in matrices)
    scales = sum(rows * -(-columns // group) for rows, columns in matrices)
    kept = shape.kept() * HALF
    int8 = linear + scales * scale_bytes + kept
    cache = 2 * shape.layers * shape.kv_heads * shape.head_size * tokens * HALF
    largest = max(rows * columns for rows, columns in matrices) * HALF
    return Memory(linear, linear * HALF + kept, int8, int8 + cache, int8 + cache + largest)
