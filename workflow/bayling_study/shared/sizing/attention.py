"""Which attention kernel ``attention: auto`` is; the memory of a row depends on it."""

from __future__ import annotations

EAGER_LENGTH = 512
"""Longest row for which eager attention is used on the CPU. With SmolLM2-135M, bf16, one thread,
three steps of rows of up to 512 tokens took 16, 1 and 20 % less time than with SDPA, whose CPU
kernel is slow with a mask; eager attention's memory grows with the square, though."""


def attention_kernel(written: str, gpu: bool, flash_installed: bool, row: int) -> str:
    """Returns the kernel that ``attention: auto`` becomes.

    Args:
        written: the setting.
        gpu: whether there is one.
        flash_installed: whether the package flash-attn is there.
        row: tokens of a row at least.
    """
    if written != "auto":
        return written
    if gpu:
        return "flash" if flash_installed else "flex"
    return "eager" if row <= EAGER_LENGTH else "sdpa"
