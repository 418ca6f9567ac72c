"""Each 8-bit format, written tensor by tensor and loaded by the library that owns it."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from bayling_study.core.files import read_json, sha256_path
from bayling_study.shared.quantised import GroupwiseLinear, dequantise, load, quantise
from helpers.export_models import export_tiny, logits, save_pickled, save_tiny, tiny_model

FORMATS = ["groupwise", "bitsandbytes", "gguf"]
FP32 = torch.float32


def read_back(folder, name):
    if name == "groupwise":
        return load(folder, FP32)
    if name == "gguf":
        return AutoModelForCausalLM.from_pretrained(
            folder, gguf_file="model-q8_0.gguf", dtype=FP32
        ).eval()
    return AutoModelForCausalLM.from_pretrained(folder, device_map="cpu").eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", FORMATS)
def test_each_format_loads_and_answers_as_the_original(tmp_path, name, tied):
    model = save_tiny(tmp_path / "model", tie_word_embeddings=tied)
    export_tiny(tmp_path / "model", tmp_path / "out", name)
    back = read_back(tmp_path / "out", name)
    before, after = logits(model.float()), logits(back)
    spread = float(before.std())
    assert float((before - after).abs().mean()) < 0.05 * spread
    assert float((before.argmax(-1) == after.argmax(-1)).float().mean()) > 0.85
    ids = torch.tensor([[5, 6, 7]])
    assert back.generate(ids, max_new_tokens=3, do_sample=False).shape[1] > 3


@pytest.mark.parametrize("name", ["groupwise", "bitsandbytes"])
def test_shards_change_no_value(tmp_path, name, monkeypatch):
    monkeypatch.setattr("bayling_study.stages.export.__main__.MEBIBYTE", 1 << 10)
    save_tiny(tmp_path / "model", shard="200KB")
    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 1
    export_tiny(tmp_path / "model", tmp_path / "one", name)
    export_tiny(tmp_path / "model", tmp_path / "many", name, shard_mebibytes=64)
    assert len(list((tmp_path / "one").glob("*.safetensors"))) == 1
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 3
    whole = logits(read_back(tmp_path / "one", name))
    assert torch.equal(whole, logits(read_back(tmp_path / "many", name)))


@pytest.mark.parametrize("name", FORMATS)
def test_pickled_weights_give_the_same_files(tmp_path, name):
    model = tiny_model(tie_word_embeddings=True)  # its .bin file holds the tied weight twice
    save_tiny(tmp_path / "a" / "model", model)
    save_pickled(tmp_path / "b" / "model", model)
    for side in ("a", "b"):
        export_tiny(tmp_path / side / "model", tmp_path / side / "out", name)
    first = load_by_name(tmp_path / "a" / "out")
    second = load_by_name(tmp_path / "b" / "out")
    assert first.keys() == second.keys() and first
    assert all(torch.equal(first[key], second[key]) for key in first)


def load_by_name(folder):
    if (folder / "model-q8_0.gguf").exists():
        from gguf import GGUFReader

        reader = GGUFReader(folder / "model-q8_0.gguf")
        return {item.name: torch.from_numpy(item.data.copy()) for item in reader.tensors}
    return {k: v for file in folder.glob("*.safetensors") for k, v in load_file(file).items()}


def test_groupwise_files_hold_what_the_layout_says(tmp_path):
    model = save_tiny(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", group_size=64)
    stored = load_file(tmp_path / "out" / "groupwise.safetensors")
    description = read_json(tmp_path / "out" / "quantization.json")
    for name, value in model.state_dict().items():
        if name not in description["quantised"]:
            assert torch.equal(stored[name], value)
            continue
        levels, scale = quantise(value, 64)
        assert torch.equal(stored[f"{name}.int8"], levels)
        assert torch.equal(stored[f"{name}.scale"], scale)
    assert "lm_head.weight" in description["quantised"]
    assert "model.embed_tokens.weight" not in description["quantised"]


def test_a_tied_output_layer_is_stored_once_and_stays_tied(tmp_path):
    save_tiny(tmp_path / "model", tie_word_embeddings=True)
    export_tiny(tmp_path / "model", tmp_path / "out")
    stored = load_file(tmp_path / "out" / "groupwise.safetensors")
    assert not [name for name in stored if "lm_head" in name]
    model = load(tmp_path / "out", torch.bfloat16, "streamed")
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_streamed_and_cached_agree_and_streamed_keeps_eight_bits(tmp_path):
    save_tiny(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", group_size=64)
    cached = load(tmp_path / "out", FP32, "cached")
    streamed = load(tmp_path / "out", FP32, "streamed")
    torch.testing.assert_close(logits(cached), logits(streamed), atol=1e-5, rtol=1e-5)
    layers = [item for item in streamed.modules() if isinstance(item, GroupwiseLinear)]
    assert len(layers) == 2 * 7 + 1
    assert not [item for item in streamed.modules() if isinstance(item, torch.nn.Linear)]


def test_a_biased_architecture_keeps_its_biases(tmp_path):
    model = save_tiny(tmp_path / "model", attention_bias=True)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_proj.bias.normal_()
    save_tiny(tmp_path / "model", model)
    export_tiny(tmp_path / "model", tmp_path / "out")
    for mode in ("cached", "streamed"):
        back = load(tmp_path / "out", FP32, mode)
        bias = back.model.layers[1].self_attn.q_proj.bias
        assert torch.equal(bias, model.model.layers[1].self_attn.q_proj.bias.float())


def test_bitsandbytes_bytes_are_the_librarys_own(tmp_path):
    save_tiny(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "ours", "bitsandbytes")
    theirs = AutoModelForCausalLM.from_pretrained(
        tmp_path / "model",
        dtype=torch.float16,
        device_map="cpu",
        quantization_config=BitsAndBytesConfig(load_in_8bit=True),
    )
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_file(tmp_path / "ours" / "model.safetensors")
    own = load_file(tmp_path / "theirs" / "model.safetensors")
    assert ours.keys() == own.keys()
    assert all(torch.equal(ours[name], own[name]) for name in own)
    settings = [read_json(tmp_path / d / "config.json") for d in ("ours", "theirs")]
    assert settings[0]["quantization_config"] == settings[1]["quantization_config"]


def test_a_row_of_zeros_survives_bitsandbytes(tmp_path):
    model = tiny_model()
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight[3] = 0
    save_tiny(tmp_path / "model", model)
    export_tiny(tmp_path / "model", tmp_path / "out", "bitsandbytes")
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert not stored["model.layers.0.mlp.up_proj.weight"][3].any()
    assert stored["model.layers.0.mlp.up_proj.SCB"][3] == 0


def test_gguf_carries_tokenizer_and_chat_template(tmp_path):
    save_tiny(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", "gguf")
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / "out" / file).unlink()
    original = AutoTokenizer.from_pretrained(tmp_path / "model")
    inside = AutoTokenizer.from_pretrained(tmp_path / "out", gguf_file="model-q8_0.gguf")
    for text in ("the weather is nice today", "Größe 17 你好", "<|im_start|>user\nhi<|im_end|>"):
        assert inside(text).input_ids == original(text).input_ids
    assert inside.chat_template == original.chat_template
    assert inside.eos_token == "<|im_end|>"


def test_gguf_keeps_odd_widths_in_fp16(tmp_path):
    model = save_tiny(tmp_path / "model", hidden_size=80, head_dim=20)
    export_tiny(tmp_path / "model", tmp_path / "out", "gguf")
    back = read_back(tmp_path / "out", "gguf")
    projection = model.model.layers[0].self_attn.q_proj.weight.float()
    assert torch.equal(back.model.layers[0].self_attn.q_proj.weight, projection)
    before, after = logits(model.float()), logits(back)
    assert float((before - after).abs().mean()) < 0.05 * float(before.std())


@pytest.mark.parametrize(
    ("precision", "stored"),
    [("fp16", torch.float16), ("bf16", torch.bfloat16), ("source", torch.float32)],
)
def test_32_bit_tensors_are_kept_in_the_chosen_precision(tmp_path, precision, stored):
    save_tiny(tmp_path / "model", dtype=FP32)
    export_tiny(tmp_path / "model", tmp_path / "out", kept_precision=precision)
    tensors = load_file(tmp_path / "out" / "groupwise.safetensors")
    assert tensors["model.norm.weight"].dtype == stored
    assert read_json(tmp_path / "out" / "config.json")["dtype"] == str(stored).removeprefix(
        "torch."
    )


def test_a_loader_that_does_not_know_the_scheme_stops(tmp_path):
    save_tiny(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out")
    with pytest.raises(OSError, match="no file named"):
        AutoModelForCausalLM.from_pretrained(tmp_path / "out")


@pytest.mark.parametrize("name", FORMATS)
def test_the_error_report_is_what_a_reader_of_the_files_finds(tmp_path, name):
    model = save_tiny(tmp_path / "model")
    report = export_tiny(tmp_path / "model", tmp_path / "out", name)
    assert report == json.loads((tmp_path / "out" / "error.json").read_text())
    state = model.float().state_dict()
    back = read_back(tmp_path / "out", name)
    if name == "bitsandbytes":
        back = back.dequantize().float()
    rebuilt = back.state_dict()
    errors = {row["tensor"]: row for row in report["tensors"]}
    assert errors.keys() == state.keys()
    tolerance = {"rel": 1e-2 if name == "bitsandbytes" else 1e-4, "abs": 1e-9}
    for key, row in errors.items():
        difference = rebuilt[key].float() - state[key]
        expected = float(difference.norm() / state[key].norm())
        assert row["relative_error"] == pytest.approx(expected, **tolerance)
    total = report["total"]
    assert total["bytes"] < 0.75 * total["bytes_fp16"]
    assert 0 < total["saturated_share"] < 0.1


def test_the_original_is_untouched_and_the_result_repeatable(tmp_path):
    save_tiny(tmp_path / "model")
    before = sha256_path(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out")
    first = sha256_path(tmp_path / "out")
    export_tiny(tmp_path / "model", tmp_path / "out")
    assert sha256_path(tmp_path / "model") == before
    assert sha256_path(tmp_path / "out") == first
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model", "out"]


def test_levels_rebuild_with_the_documented_product(tmp_path):
    model = save_tiny(tmp_path / "model")
    export_tiny(tmp_path / "model", tmp_path / "out", group_size=64)
    stored = load_file(tmp_path / "out" / "groupwise.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    step = stored[f"{name}.scale"].repeat_interleave(64, dim=1)[:, :160]
    product = stored[f"{name}.int8"].float() * step
    assert torch.equal(product, dequantise(*quantise(model.state_dict()[name], 64), 64, FP32))
