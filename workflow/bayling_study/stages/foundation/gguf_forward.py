"""Refuses a GGUF file of which something that changes the model's answers would be lost.

transformers 5.23 carries over the entries and tensors named below and passes over all
others without a word: a scaling of the rotary positions, a bias, a scale of the logits.
A tensor that is absent it fills with random numbers. Names and defaults are those of
llama.cpp's architecture ``llama``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.stages.foundation.gguf_header import GgufHeader

CARRIED = (
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.layer_norm_rms_epsilon",
)
"""Entries that every file must have, each one number for all blocks."""
OPTIONAL = ("attention.head_count_kv", "rope.freq_base", "vocab_size")
"""Entries whose default is the same in llama.cpp and transformers."""
HEAD_SIZES = ("rope.dimension_count", "attention.key_length", "attention.value_length")
WITHOUT_EFFECT = ("tensor_data_layout", "rope.scaling.finetuned")
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "rope.scaling.type": ("none",),
    "rope.scaling.factor": (0, 1),
    "rope.scaling.attn_factor": (1,),
    "rope.scale_linear": (0, 1),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "logit_scale": (0, 1),
    "attention.scale": (0,),
    "attention.causal": (True,),
    "attention.clamp_kqv": (0,),
    "attention.sliding_window": (0,),
}
"""Entries that change nothing with these values, and cannot be carried over with others."""
BLOCK = (
    *("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output"),
    *("ffn_norm", "ffn_gate", "ffn_up", "ffn_down"),
)
FIX = "use a source that ships config.json (kind hub or local)"


def check_forward(header: GgufHeader, where: Path) -> None:
    """Checks that all that decides the model's answers is carried over.

    Raises:
        StudyError: names the entry or tensor that would be lost, or is absent.
    """
    entries = {
        key.removeprefix("llama."): value
        for key, value in header.metadata.items()
        if key.startswith("llama.")
    }
    for key in CARRIED:
        if key not in entries:
            raise StudyError(f"the GGUF file has no entry 'llama.{key}'", where=where, fix=FIX)
    for key, value in entries.items():
        single = key in (*CARRIED, *OPTIONAL, *HEAD_SIZES) and not isinstance(value, list)
        if not (single or key in WITHOUT_EFFECT or value in NEUTRAL.get(key, ())):
            _refuse(f"llama.{key}: {str(value)[:80]}", where)
    width = entries["embedding_length"] // max(1, entries["attention.head_count"])
    # transformers takes a head's size from the rotated dimensions alone
    rotated = entries.get("rope.dimension_count", entries.get("attention.key_length", width))
    for key in HEAD_SIZES:
        if (size := entries.get(key, width)) != rotated:
            _refuse(f"llama.{key}: {size} beside {rotated} rotated dimensions of a head", where)
    _check_tensors(set(header.shapes), entries["block_count"], where)


def _check_tensors(names: set[str], blocks: int, where: Path) -> None:
    expected = {"token_embd.weight", "output_norm.weight"}
    expected |= {f"blk.{number}.{name}.weight" for number in range(blocks) for name in BLOCK}
    for name in sorted(names - expected - {"output.weight"}):
        _refuse(f"tensor {name!r}", where)
    for name in sorted(expected - names):
        raise StudyError(f"the GGUF file has no tensor {name!r}", where=where)


def _refuse(what: str, where: Path) -> None:
    raise StudyError(f"the conversion of GGUF would lose {what}", where=where, fix=FIX)
