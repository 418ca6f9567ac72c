"""Refuses a GGUF file of which something that changes the model's answers would be lost.
transformers 5.23 carries over the entries and tensors named here and passes over all others without
a word: a scaling of the rotary positions, a bias, a scale of the logits. An absent tensor it fills
with random numbers. Names and defaults are those of llama.cpp's ``llama``."""

from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.tables import beside
from bayling_study.stages.foundation.gguf_header import GgufHeader

LAYOUT = ("context_length", "embedding_length", "block_count", "feed_forward_length")
NEEDED = (*LAYOUT, "attention.head_count", "attention.layer_norm_rms_epsilon")
HEAD_SIZES = ("rope.dimension_count", "attention.key_length", "attention.value_length")
CARRIED = (*NEEDED, *HEAD_SIZES, "attention.head_count_kv", "rope.freq_base", "vocab_size")
"""Entries that are carried over, each as one number for all blocks."""
WITHOUT_EFFECT = ("tensor_data_layout", "rope.scaling.finetuned")
NEUTRAL: dict[str, list[Any]] = beside(__file__)
"""Entries that change nothing with these values, and cannot be carried over with others."""
ATTENTION = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output")
PARTS = (*ATTENTION, "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")


def check_forward(header: GgufHeader, where: Path) -> None:
    """Checks that all that decides the model's answers is there and is carried over (``StudyError``
    names the entry or tensor that would be lost, or is absent)."""
    found = header.metadata.items()
    entries = {key.removeprefix("llama."): item for key, item in found if key.startswith("llama.")}
    absent = [f"entry 'llama.{key}'" for key in NEEDED if key not in entries]
    lost = [
        f"llama.{key}: {str(value)[:80]}"
        for key, value in entries.items()
        if (key not in CARRIED or isinstance(value, list))
        and key not in WITHOUT_EFFECT
        and value not in NEUTRAL.get(key, ())
    ]
    if not absent and not lost:
        lost = _uneven_heads(entries)
        parts = (f"blk.{n}.{part}" for n in range(entries["block_count"]) for part in PARTS)
        expected = {f"{name}.weight" for name in ("token_embd", "output_norm", *parts)}
        absent = [f"tensor {name!r}" for name in sorted(expected - set(header.shapes))]
        others = set(header.shapes) - expected - {"output.weight"}
        lost += [f"tensor {name!r}" for name in sorted(others)]
    for what, names in (("has no", absent), ("would lose in conversion:", lost)):
        if names:
            fix = "use a source that ships config.json (kind hub or local)"
            raise StudyError(f"the GGUF file {what} {names[0]}", where=where, fix=fix)


def _uneven_heads(entries: dict[str, Any]) -> list[str]:
    """transformers takes a head's size from the rotated dimensions alone."""
    width = entries["embedding_length"] // max(1, entries["attention.head_count"])
    rotated = entries.get("rope.dimension_count", entries.get("attention.key_length", width))
    sizes = {key: entries.get(key, width) for key in HEAD_SIZES}
    return [f"llama.{k}: {n} beside {rotated} rotated" for k, n in sizes.items() if n != rotated]
