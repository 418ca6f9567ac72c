"""Foundation checkpoints from a real, tiny GGUF file and from hub-format folders."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.stages.foundation.__main__ import make_checkpoint
from bayling_study.stages.foundation.checkpoint import prove_equal
from bayling_study.stages.foundation.gguf_header import read_header

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


def test_checkpoint_holds_the_weights_in_the_better_type(tmp_path: Path) -> None:
    out, tensors, facts = convert(tmp_path)
    assert facts["relative_error_fp16"] < facts["relative_error_bf16"] < 0.01
    state = AutoModelForCausalLM.from_pretrained(out, dtype="auto").state_dict()
    down = torch.from_numpy(tensors["blk.1.ffn_down.weight"]).half()
    assert torch.equal(state["model.layers.1.mlp.down_proj.weight"], down)
    assert "quantization_config" not in (out / "config.json").read_text()


def test_weights_beyond_fp16_are_stored_as_bf16(tmp_path: Path) -> None:
    out, _, facts = convert(tmp_path, scale=1e5)
    assert "relative_error_fp16" not in facts
    state = AutoModelForCausalLM.from_pretrained(out, dtype="auto").state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.bfloat16}


def test_tokenizer_ends_turns_pads_apart_and_adds_nothing(tmp_path: Path) -> None:
    out, _, _ = convert(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|endoftext|>")
    encoded = tokenizer("he 12天")
    assert list(encoded) == ["input_ids", "attention_mask"]
    assert tokenizer.decode(encoded["input_ids"]) == "he 12天"
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"])[:4] == ["he", "Ġ", "1", "2"]
    assert tokenizer("a<|im_end|>")["input_ids"][-1] == 2
    chat = [{"role": "user", "content": "he"}]
    text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert text == "<|im_start|>user\nhe<|im_end|>\n<|im_start|>assistant\n"


def test_model_generates_with_the_stored_settings(tmp_path: Path) -> None:
    out, _, _ = convert(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    assert model.generation_config.eos_token_id == 2 and not model.generation_config.do_sample
    encoded = AutoTokenizer.from_pretrained(out)("he", return_tensors="pt")
    assert model.generate(**encoded, max_new_tokens=3).shape[1] <= 4


def test_conversion_gives_the_same_bytes_again(tmp_path: Path) -> None:
    first, _, _ = convert(tmp_path / "one")
    second, _, _ = convert(tmp_path / "two")
    assert sha256_path(first) == sha256_path(second)


def test_a_changed_tensor_is_noticed(tmp_path: Path) -> None:
    out, _, _ = convert(tmp_path)
    state = AutoModelForCausalLM.from_pretrained(out, dtype="auto").state_dict()
    prove_equal(state, out)
    state["model.norm.weight"] = state["model.norm.weight"] + 1
    with pytest.raises(StudyError, match=r"model\.norm\.weight differs"):
        prove_equal(state, out)


def test_hub_checkpoint_is_linked(tmp_path: Path) -> None:
    out, _, _ = convert(tmp_path)
    (out / "pytorch_model.bin").write_bytes(b"redundant")
    adopted = tmp_path / "adopted"
    adopted.mkdir()
    make_checkpoint(out, adopted)
    assert (adopted / "model.safetensors").samefile(out / "model.safetensors")
    assert not (adopted / "pytorch_model.bin").exists()
    (out / "tokenizer_config.json").unlink()
    with pytest.raises(StudyError, match=r"missing: tokenizer_config\.json"):
        make_checkpoint(out, tmp_path / "adopted")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"architecture": "falcon"}, "architecture 'falcon'"), ({"tokenizer": "llama"}, "byte-level")],
)
def test_what_is_not_proven_is_refused(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        convert(tmp_path, **changes)


def test_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="found 0"):
        make_checkpoint(tmp_path, tmp_path / "out")


def header(tensors: int = 0, pairs: int = 0, rest: bytes = b"", version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + rest


HUGE = 1 << 62
KEY = struct.pack("<Q", 1) + b"k"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + bytes(20), "does not start"),
        (header(version=9), "version 9"),
        (header(tensors=HUGE), f"claims {HUGE} tensors"),
        (header(pairs=HUGE), f"claims {HUGE} metadata"),
        (header(pairs=1, rest=struct.pack("<Q", HUGE)), f"string claims {HUGE}"),
        (header(pairs=1, rest=KEY + struct.pack("<IIQ", 9, 4, HUGE)), f"array claims {HUGE}"),
        (header(pairs=1, rest=KEY + struct.pack("<IIQIQIQ", 9, 9, 1, 9, 1, 9, 1)), "nested"),
        (header(pairs=1, rest=KEY + struct.pack("<I", 77)), "unknown value type 77"),
        (header(pairs=1, rest=KEY), "exceeds the header's limit"),
        (header(tensors=1, rest=KEY + struct.pack("<IQQIQ", 2, HUGE, 9, 0, 0)), "larger than"),
        (header(tensors=1, rest=KEY + struct.pack("<I", 99)), "99 dimensions"),
        (header(tensors=1, rest=KEY + struct.pack("<IQIQ", 1, 1, 0, HUGE)), "beyond the end"),
    ],
)
def test_header_that_cannot_be_true_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "bad.gguf"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=message):
        read_header(path)


def test_every_cut_of_a_real_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    write_gguf(path)
    whole = path.read_bytes()
    assert read_header(path).metadata["tokenizer.ggml.eos_token_id"] == 2
    for cut in range(0, 4000, 37):
        path.write_bytes(whole[:cut])
        with pytest.raises(StudyError, match="GGUF"):
            read_header(path)
