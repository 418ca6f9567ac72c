"""Foundation checkpoints from a real, tiny GGUF file and from hub-format folders."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_path
from bayling_study.stages.foundation.__main__ import make_checkpoint
from bayling_study.stages.foundation.checkpoint import prove_equal
from bayling_study.stages.foundation.gguf_header import read_header
from helpers.gguf_files import convert, write_gguf


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


def test_the_base_of_the_angles_is_where_version_4_looks_for_it(tmp_path: Path) -> None:
    out, _, _ = convert(tmp_path, theta=50000.0)
    config = json.loads((out / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 50000.0


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


def test_a_tokenizer_that_splits_at_random_is_refused(tmp_path: Path) -> None:
    out, _, _ = convert(tmp_path)
    values = json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))
    assert values["model"]["dropout"] is None
    values["model"]["dropout"] = 0.1
    (out / "tokenizer.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(StudyError, match=r"tokenizer\.json: its dropout splits texts at random"):
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
