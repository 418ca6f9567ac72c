"""Sizes of files by formula, from shapes and settings.

Memory while training is in ``bayling_study.shared.sizing``, for the training uses it too;
its operations and hours are in ``bayling_study.dag.chain``.
"""

from bayling_study.commands.plan.arithmetic import HALF, memory
from bayling_study.config.tuning import TuningSection
from bayling_study.shared.sizing.memory import OPTIMIZER_BYTES, trained_parameters
from bayling_study.shared.sizing.shape import Shape

FILE_SCALE_BYTES = 4
"""Our groupwise files keep scales in fp32."""
TOKEN_BYTES = 9
"""A training token on disk: 4 of text, 4 of its number, 1 of the mask."""


def checkpoint_bytes(shape: Shape, tuning: TuningSection) -> int:
    """Returns the size of one training checkpoint: fp32 weights and moments of what is trained."""
    return trained_parameters(shape, tuning) * OPTIMIZER_BYTES


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
    matrices = shape.parameters() - vectors
    return matrices * 34 // 32 + 4 * vectors
