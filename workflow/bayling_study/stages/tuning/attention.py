"""Attention that stays inside a conversation, for each kernel. ``eager`` and ``sdpa`` compute
conversations in groups. ``flex`` (torch's flex attention) takes a mask as a function and skips
closed blocks, which needs a GPU and compiles once. ``flash`` (flash-attn) takes none and knows no
shared start: transformers reads the borders from the restarting positions."""

import importlib.util
from typing import Any, Literal

import torch
from torch.nn.attention.flex_attention import create_block_mask

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.shared.sizing.choice import attention_kernel
from bayling_study.stages.tuning.grouped import SHARED, Groups

Attention = Literal["grouped_sdpa", "grouped_eager", "flash_attention_2", "flex_attention"]
"""Names that transformers gives to the kernels."""
NAMES: dict[str, Attention] = {
    "sdpa": "grouped_sdpa",
    "eager": "grouped_eager",
    "flash": "flash_attention_2",
    "flex": "flex_attention",
}
"""Setting to transformers' name."""
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
    return attention_kernel(settings.attention, gpu, flash, settings.max_length)


def filled(length: int, attention: Attention) -> int:
    """Returns the length of a sequence as the kernel wants it: whole blocks for flex attention."""
    return length + (-length % FLEX_BLOCK if attention == "flex_attention" else 0)


def inside_conversations(segments: torch.Tensor, attention: Attention) -> dict[str, Any]:
    """Returns the arguments of a model that make attention causal inside a conversation and closed
    between them: flex attention takes a ``BlockMask``, flash attention nothing. ``segments`` is
    int64 [length], the conversation of each token."""
    if attention == "flash_attention_2":
        return {"attention_mask": None}
    if attention == "flex_attention":
        return {"attention_mask": _block_mask(segments)}
    return {"attention_mask": None, "groups": Groups(segments)}


def _block_mask(segments: torch.Tensor) -> Any:
    def allowed(
        batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor:
        own = (segments[key] == segments[query]) | (segments[key] == SHARED)
        return own & (query >= key)

    sizes = None, None, len(segments), len(segments)
    return create_block_mask(allowed, *sizes, device=segments.device, BLOCK_SIZE=FLEX_BLOCK)
