"""Operations of training, and the share of a device's peak that they reach.

Model FLOPs, as in Chowdhery et al. 2022, "PaLM", appendix B: what the model needs, whatever is
computed twice. A matrix costs 6 operations per parameter and token (forward 2, backward 4);
attention 12 operations per layer, head, head dimension and pair of query and key (of 2 matrix
products), of which a causal mask needs half. The output layer counts for supervised tokens only,
because only there it is computed, and the input embedding costs nothing.

Where only adapters are trained, a frozen matrix costs 4 (forward 2, backward 2: the gradient of its
input passes through, one of its own is not made) and the adapters' thin matrices 6. Attention has
no weights and costs the same.
"""

from pathlib import Path

from bayling_study.core.tables import read_table
from bayling_study.shared.sizing.shape import Shape

TRAINED = 6  # operations of a matrix a parameter and token
FROZEN = 4  # those of a matrix that gradients only pass through
_ROWS = read_table(Path(__file__).with_suffix(".tsv"), ("device", "teraflops", "source"))
PEAKS = {row["device"]: float(row["teraflops"]) for _, row in _ROWS}
"""Words of a device's name to its dense bf16 peak in TFLOP/s; figures that a data sheet prints with
sparsity are halved. Devices without bf16 in hardware (V100) have none."""
SAME_CARD = {*("NVIDIA", "GEFORCE", "SXM4", "SXM5"), *("40GB", "80GB", "141GB", "HBM3", "HBM3E")}
"""Words beside those that leave a card what it is. Any other word (Ti, Laptop, D, NVL, MIG, a
size that the data sheet does not have) makes it a card of which nothing is known here."""


def peak_teraflops(name: str) -> float | None:
    """Returns the dense bf16 peak of the device of that name; none where it is not known."""
    words = set(name.upper().replace("-", " ").split()) - SAME_CARD
    return next((peak for known, peak in PEAKS.items() if set(known.split()) == words), None)


def model_flops(
    shape: Shape, tokens: int, supervised: int, pairs: int, adapters: int | None = None
) -> float:
    """Returns the operations of training on some conversations. Of their ``tokens`` some are
    ``supervised``; ``pairs`` is the sum of the squares of their lengths, ``adapters`` the
    parameters of the adapters, where only those are trained."""
    blocks = shape.layers * sum(rows * columns for rows, columns in shape.block().values())
    output = shape.vocabulary * shape.hidden
    attention = 6 * shape.layers * shape.heads * shape.head_size
    each = TRAINED if adapters is None else FROZEN
    per_token = each * blocks + TRAINED * (adapters or 0)
    return float(per_token * tokens + each * output * supervised + attention * pairs)
