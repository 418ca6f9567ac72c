"""Attention that stays inside a conversation, for each kernel. ``eager`` and ``sdpa`` take a mask
in full form. ``flex`` (torch's flex attention) takes it as a function and skips closed blocks,
which needs a GPU and compiles once. ``flash`` (flash-attn) takes none and knows no shared start:
transformers reads the borders from the restarting positions."""

import importlib.util
from typing import Any, Literal

import torch
from torch.nn.attention.flex_attention import create_block_mask

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared.sizing.choice import attention_kernel
from bayling_study.shared.sizing.memory import packed_length

Attention = Literal["sdpa", "eager", "flash_attention_2", "flex_attention"]
"""Names that transformers gives to the kernels."""
NAMES: dict[str, Attention] = {
    "sdpa": "sdpa",
    "eager": "eager",
    "flash": "flash_attention_2",
    "flex": "flex_attention",
}
"""Setting to transformers' name."""
SHARED = -1  # segment of the start that all conversations of a sequence have in common
FILLING = -2
"""Segment of tokens that only fill a sequence; they see each other, and no one sees them."""
FLEX_BLOCK = 128
"""Tokens of a block of flex attention; sequences are filled up to whole blocks, so that the kernel
is compiled for few lengths."""


def kernel(settings: TuningSection, gpu: bool) -> str:
    """Returns the kernel that the settings choose on a machine (``StudyError`` if they ask for one
    that cannot train here)."""
    flash = importlib.util.find_spec("flash_attn") is not None
    if settings.attention == "flash" and not (gpu and flash):
        what = "the package flash-attn is not installed" if gpu else "flash attention needs a GPU"
        raise StudyError(what, where="tuning.attention: flash", fix="attention: auto")
    if settings.attention == "flex" and not gpu:
        what = "flex attention has no backward pass on a CPU"
        raise StudyError(what, where="tuning.attention: flex", fix="attention: sdpa")
    return attention_kernel(settings.attention, gpu, flash, packed_length(settings))


def filled(length: int, attention: Attention) -> int:
    """Returns the length of a sequence as the kernel wants it: whole blocks for flex attention."""
    return length + (-length % FLEX_BLOCK if attention == "flex_attention" else 0)


def attention_mask(segments: torch.Tensor, attention: Attention, dtype: torch.dtype) -> Any:
    """Returns what makes attention causal inside a conversation and closed between them. SDPA takes
    truth values [1, 1, length, length], eager attention takes 0 and the lowest number of ``dtype``,
    flex attention a ``BlockMask``, flash attention nothing. ``segments`` is int64 [length], the
    conversation of each token."""
    if attention == "flash_attention_2":
        return None
    if attention == "flex_attention":
        return _block_mask(segments)
    seen, by = segments[None, :], segments[:, None]
    allowed = torch.tril((seen == by) | (seen == SHARED))[None, None]
    if attention == "sdpa":
        return allowed
    closed = torch.zeros(allowed.shape, dtype=dtype, device=segments.device)
    return closed.masked_fill(~allowed, torch.finfo(dtype).min)


def _block_mask(segments: torch.Tensor) -> Any:
    def allowed(
        batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        own = (segments[key] == segments[query]) | (segments[key] == SHARED)
        return own & (query >= key)

    sizes = None, None, len(segments), len(segments)
    return create_block_mask(allowed, *sizes, device=segments.device, BLOCK_SIZE=FLEX_BLOCK)
