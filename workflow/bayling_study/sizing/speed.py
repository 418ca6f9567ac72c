"""Operations of training, and the share of a device's peak that they reach.

Model FLOPs, as in Chowdhery et al. 2022, "PaLM", appendix B: what the model
needs, whatever is computed twice. A matrix costs 6 operations a parameter and
token (forward 2, backward 4); attention 12 operations a layer, head, head
dimension and pair of query and key (of 2 matrix products), of which a causal
mask needs half. The output layer counts for learnt tokens only, because only
there it is computed, and the input embedding costs nothing.
"""

from __future__ import annotations

from bayling_study.sizing.shape import Shape

PEAKS = {
    "A100": (312.0, "NVIDIA A100 data sheet"),
    "A40": (149.7, "NVIDIA A40 data sheet"),
    "L40S": (362.0, "NVIDIA L40S data sheet"),
    "L4": (121.0, "NVIDIA L4 data sheet"),
    "H100 PCIe": (756.0, "NVIDIA H100 data sheet, PCIe form"),
    "H100 NVL": (835.5, "NVIDIA H100 NVL data sheet"),
    "H100": (989.4, "NVIDIA H100 data sheet, SXM form"),
    "H200": (989.4, "NVIDIA H200 data sheet, SXM form"),
    "RTX 4090": (165.2, "NVIDIA Ada architecture white paper, fp32 accumulation"),
    "RTX 3090": (71.0, "NVIDIA GA102 architecture white paper, fp32 accumulation"),
}
"""Words of a device's name to its dense bf16 peak in TFLOP/s, and the source; figures that a
data sheet prints with sparsity are halved. Devices without bf16 in hardware (V100) have none."""
OTHER_CARDS = {"Laptop", "D"}
"""Words that make a card of a listed name another, slower one."""


def peak_teraflops(name: str) -> float | None:
    """Returns the dense bf16 peak of the device of that name; none where it is not known."""
    words = set(name.replace("-", " ").split())
    for known, (teraflops, _) in PEAKS.items():  # "H100 PCIe" stands before "H100"
        if set(known.split()) <= words:
            return None if words & OTHER_CARDS else teraflops
    return None


def model_flops(shape: Shape, tokens: int, learnt: int, pairs: int) -> float:
    """Returns the operations of training on some conversations.

    Args:
        shape: of the model.
        tokens: of the conversations.
        learnt: those that are learnt.
        pairs: sum of the squares of the conversations' lengths.
    """
    blocks = shape.layers * sum(rows * columns for rows, columns in shape.block().values())
    output = shape.vocabulary * shape.hidden
    attention = 6 * shape.layers * shape.heads * shape.head_size
    return float(6 * blocks * tokens + 6 * output * learnt + attention * pairs)
