"""Writes tiny GGUF files of Llama models and converts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from bayling_study.stages.foundation.__main__ import make_checkpoint

HIDDEN, LAYERS, HEADS, INNER = 32, 2, 2, 64
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def write_gguf(path: Path, **changes: Any) -> dict[str, np.ndarray]:
    """Writes a 2-layer Llama in fp32; returns its tensors by GGUF name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tokens = [*SPECIAL, *byte_alphabet(), "he"]
    writer = gguf.GGUFWriter(str(path), changes.get("architecture", "llama"))
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(changes.get("key_heads", HEADS))
    writer.add_layer_norm_rms_eps(changes.get("epsilon", 1e-5))
    writer.add_rope_freq_base(changes.get("theta", 10000.0))
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model(changes.get("tokenizer", "gpt2"))
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * (len(tokens) - 3))
    writer.add_token_merges(["h e"])
    for name, number in (("bos", 1), ("eos", 2), ("unk", 0), ("pad", 2)):
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_chat_template(TEMPLATE)
    for key, value in changes.get("entries", {}).items():
        add = {str: writer.add_string, bool: writer.add_bool, int: writer.add_uint32}
        add.get(type(value), writer.add_float32)(f"llama.{key}", value)
    tensors = random_tensors(len(tokens), changes.get("scale", 0.1)) | changes.get("tensors", {})
    for name in changes.get("missing", ()):
        del tensors[name]
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def random_tensors(vocabulary: int, scale: float) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    shapes = {"token_embd.weight": (vocabulary, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for block in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"blk.{block}.{name}.weight"] = (HIDDEN, HIDDEN)
        for name in ("ffn_gate", "ffn_up"):
            shapes[f"blk.{block}.{name}.weight"] = (INNER, HIDDEN)
        shapes[f"blk.{block}.ffn_down.weight"] = (HIDDEN, INNER)
        for name in ("attn_norm", "ffn_norm"):
            shapes[f"blk.{block}.{name}.weight"] = (HIDDEN,)
    return {n: (scale * random.normal(size=s)).astype(np.float32) for n, s in shapes.items()}


def convert(folder: Path, **changes: Any) -> tuple[Path, dict[str, np.ndarray], dict[str, float]]:
    tensors = write_gguf(folder / "files" / "sub" / "tiny.gguf", **changes)
    out = folder / "out"
    out.mkdir()
    return out, tensors, make_checkpoint(folder / "files", out)
