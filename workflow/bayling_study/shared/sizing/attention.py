"""Which attention kernel ``attention: auto`` is; the memory of a sequence depends on it."""

EAGER_LENGTH = 512
"""Longest packed sequence for which eager attention is used on the CPU. With SmolLM2-135M, bf16,
one thread, three steps of sequences of up to 512 tokens took 16, 1 and 20 % less time than with
SDPA, whose CPU kernel is slow with a mask; eager attention's memory grows quadratically, though."""


def attention_kernel(written: str, gpu: bool, flash_installed: bool, length: int) -> str:
    """Returns the kernel that the setting ``written`` becomes, itself where it is not ``auto``, for
    packed sequences of at least ``length`` tokens."""
    if written != "auto":
        return written
    if gpu:
        return "flash" if flash_installed else "flex"
    return "eager" if length <= EAGER_LENGTH else "sdpa"
