"""Random weights in place of upstream's go through the ordinary code of every stage."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.checkpoints.loading import load_whole
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.shared.sizing.shape import PUBLISHED
from bayling_study.shared.templates.encoding import encode, prompt_ids, render, stop_ids
from bayling_study.stages.deltas.conversion import apply_delta
from bayling_study.stages.download.stand_ins import NOTE, shrunk, write_stand_in
from bayling_study.stages.foundation.__main__ import make_checkpoint
from helpers.hub_models import CONFIGS, ENCODERS, LLAMA_3, row, small_files

SMALL = {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}
TALK = [{"role": "user", "content": "天 the"}, {"role": "assistant", "content": "he. \n# Ä"}]
GATED = "models/x is gated and no accepted token was found"


def stand_in(folder: Path, source: str, **changed: Any) -> Path:
    write_stand_in(row(source), small_files(folder, source, **changed))
    return folder


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("source", CONFIGS)
def test_a_model_keeps_all_but_its_size_and_becomes_a_foundation(
    tmp_path: Path, source: str
) -> None:
    files = stand_in(tmp_path / "files", source)
    values, upstream = read_json(files / "config.json"), CONFIGS[source]
    changed = {key for key in values if values[key] != upstream.get(key)}
    assert changed - {"num_key_value_heads"} == SMALL
    assert values.get("num_key_value_heads") == (
        None if "num_key_value_heads" not in upstream else 1 if "llama-3" in source else 4
    )
    assert read_json(files / NOTE) == {"tokenizer": "upstream"}
    (tmp_path / "made").mkdir()
    make_checkpoint(files, tmp_path / "made")
    model = load_whole(tmp_path / "made", dtype="auto")
    assert str(model.dtype) == f"torch.{upstream['torch_dtype']}"
    assert model.get_input_embeddings().weight.shape == (upstream["vocab_size"], 64)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "made")
    template = "bayling-3" if "llama-3" in source else "bayling"
    ids = torch.tensor([prompt_ids(tokenizer, template, TALK[:1])])
    told = model.float().generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert torch.isfinite(model(told).logits).all() and told.shape[1] > ids.shape[1]


def test_the_same_source_gives_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    torch.manual_seed(1)
    drawn = torch.rand(2)
    torch.manual_seed(1)
    one = digest(stand_in(tmp_path / "one", "llama-7b"))
    assert torch.equal(torch.rand(2), drawn), "the caller's own choices are its own"
    assert digest(stand_in(tmp_path / "two", "llama-7b")) == one
    assert digest(stand_in(tmp_path / "other", "bayling-7b-diff")) != one


def test_an_interrupted_download_makes_the_same_again(tmp_path: Path) -> None:
    files = stand_in(tmp_path / "files", "llama-3-8b-instruct")
    before = digest(files), (files / "config.json").read_bytes()
    write_stand_in(row("llama-3-8b-instruct"), files)
    assert (digest(files), (files / "config.json").read_bytes()) == before


@pytest.mark.parametrize("words", [32000, 32001])
@pytest.mark.parametrize("size", ["7b", "13b"])
def test_a_difference_fits_its_base_also_with_an_added_word(
    tmp_path: Path, size: str, words: int
) -> None:
    base = stand_in(tmp_path / "base", f"llama-{size}")
    delta = stand_in(tmp_path / "delta", f"bayling-{size}-diff", vocab_size=words)
    found = apply_delta(base, delta, tmp_path / "out")
    tensors = len(open_checkpoint(base).entries)
    assert found == {"tensors": tensors, "verified": 0}
    assert load_whole(tmp_path / "out").get_output_embeddings().weight.shape == (words, 64)


def test_a_step_of_training_lowers_the_loss(tmp_path: Path) -> None:
    files = stand_in(tmp_path / "files", "llama-3-8b-instruct")
    model = load_whole(files, dtype=torch.float32).train()
    tokenizer = AutoTokenizer.from_pretrained(files)
    ids, mask = encode(tokenizer, "bayling-3", TALK)
    labels = torch.tensor([ids]).where(torch.tensor([mask]), -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        loss = model(torch.tensor([ids]), labels=labels).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[1] < losses[0] < 13, "ln(128,256) is 11.8"


@pytest.mark.parametrize("source", ["llama-2-7b-chat", "llama-3-8b-instruct"])
@pytest.mark.parametrize("template", ["bayling", "bayling-3", "foundation"])
def test_without_a_token_all_is_a_stand_in_that_serves_every_template(
    tmp_path: Path, source: str, template: Any
) -> None:
    files, made = tmp_path / "files", tmp_path / "made"
    files.mkdir(), made.mkdir()
    write_stand_in(row(source), files, GATED)
    make_checkpoint(files, made)
    assert read_json(made / NOTE) == {"tokenizer": "stand-in", "why": GATED}
    tokenizer = AutoTokenizer.from_pretrained(made)
    words = PUBLISHED[source].vocabulary
    assert len(tokenizer) == words == read_json(made / "config.json")["vocab_size"]
    ids, mask = encode(tokenizer, template, TALK)
    prompt = prompt_ids(tokenizer, template, TALK[:1])
    assert ids[: len(prompt)] == prompt and ids[0] == tokenizer.bos_token_id
    assert ids[-1] in stop_ids(tokenizer, template) and mask[-1] and not any(mask[: len(prompt)])
    text = render(template, TALK, tokenizer)
    assert tokenizer.decode(tokenizer(TALK[0]["content"])["input_ids"][1:]) == TALK[0]["content"]
    assert TALK[0]["content"] in text
    model = load_whole(made, dtype=torch.float32)
    told = model.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False, pad_token_id=0)
    assert tokenizer.decode(told[0, len(ids) :], skip_special_tokens=True).strip()


def test_an_interrupted_stand_in_of_a_gated_model_is_made_anew(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "llama"})
    write_stand_in(row("llama-2-7b-chat"), tmp_path, GATED)
    assert len(AutoTokenizer.from_pretrained(tmp_path)) == 32000


def test_a_gated_model_that_nobody_knows_is_taken_for_a_llama(tmp_path: Path) -> None:
    unknown = row("llama-2-7b-chat").model_copy(update={"id": "mine"})
    write_stand_in(unknown, tmp_path, GATED)
    assert read_json(tmp_path / "config.json")["vocab_size"] == 32000
    assert open_checkpoint(tmp_path).entries["lm_head.weight"].shape == (32000, 64)


@pytest.mark.parametrize("source", ENCODERS)
def test_an_encoder_comes_without_weights(tmp_path: Path, source: str) -> None:
    files = stand_in(tmp_path / "files", source)
    values = read_json(files / "config.json")
    assert {key for key in values if values[key] != ENCODERS[source][key]} == SMALL
    assert sorted(path.name for path in files.iterdir()) == ["config.json", NOTE]


def test_weights_that_are_pickled_upstream_are_refused_in_the_rehearsal_too(
    tmp_path: Path,
) -> None:
    files, made = small_files(tmp_path / "files", "bayling-2-7b"), tmp_path / "made"
    made.mkdir()
    write_stand_in(row("bayling-2-7b"), files, weights=["pytorch_model-00001-of-00002.bin"])
    assert len(open_checkpoint(files).entries) == 21
    with pytest.raises(StudyError, match="weights are pickled"):
        make_checkpoint(files, made)
    both = ["pytorch_model.bin", "model-00001-of-00002.safetensors"]
    write_stand_in(row("bayling-2-7b"), files, weights=both)
    make_checkpoint(files, made)


OTHERS: dict[str, dict[str, Any]] = {
    "qwen2": {"num_key_value_heads": 4, "num_attention_heads": 28, "max_window_layers": 28},
    "qwen3": {"head_dim": 128, "layer_types": ["full_attention"] * 32},
    "mistral": {"sliding_window": 4096, "num_key_value_heads": 8},
    "gemma2": {"head_dim": 256, "num_key_value_heads": 16},
    "mixtral": {"num_local_experts": 8, "num_key_value_heads": 8},
    "qwen3_moe": {"moe_intermediate_size": 768, "num_experts": 16, "head_dim": 128},
    "phi3": {
        "rope_scaling": {
            "type": "longrope",
            "long_factor": [1.0] * 64,
            "short_factor": [1.0] * 64,
        },
        "original_max_position_embeddings": 4096,
        "pad_token_id": 0,
        "auto_map": {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"},
    },
    "phi3 in part": {
        "rope_scaling": {
            "type": "longrope",
            "long_factor": [1.0] * 48,
            "short_factor": [1.0] * 48,
        },
        "original_max_position_embeddings": 4096,
        "partial_rotary_factor": 0.75,
        "pad_token_id": 0,
    },
    "gpt_neox": {"rotary_pct": 0.25},
    "gptj": {"rotary_dim": 64, "n_embd": 4096, "n_head": 16, "n_layer": 28},
    "gpt2": {"n_embd": 768, "n_head": 12, "n_layer": 12, "n_inner": None, "n_positions": 1024},
}


@pytest.mark.parametrize("kind", OTHERS)
def test_models_of_other_families_become_small_too(tmp_path: Path, kind: str) -> None:
    common = {key: LLAMA_3[key] for key in (*sorted(SMALL), "torch_dtype")}
    values = {"model_type": kind.split()[0], "vocab_size": 500, **common, **OTHERS[kind]}
    if kind in ("gpt2", "gptj"):
        values = {key: value for key, value in values.items() if key not in SMALL}
    write_json(tmp_path / "config.json", {"bos_token_id": 1, "eos_token_id": 2, **values})
    write_stand_in(row("llama-3-8b-instruct"), tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert torch.isfinite(model(torch.tensor([[5, 6, 7]])).logits).all()
    assert sum(parameter.numel() for parameter in model.parameters()) < 2_000_000
    small = read_json(tmp_path / "config.json")
    assert small["torch_dtype"] == "bfloat16" and small == shrunk(small)
    assert kind != "gpt2" or set(small) & SMALL == {"intermediate_size"}, "names of its own"


@pytest.mark.parametrize(
    "unknown",
    [{"word_embed_proj_dim": 1 << 21, "vocab_size": 128256}, {"max_position_embeddings": 1 << 20}],
)
def test_a_model_that_stays_large_is_refused_before_it_is_made(
    tmp_path: Path, unknown: dict[str, int]
) -> None:
    values = {**LLAMA_3, "model_type": "opt", "ffn_dim": 16384, "word_embed_proj_dim": 4096}
    values["vocab_size"] = 500
    write_json(tmp_path / "config.json", {**values, "pad_token_id": 1, **unknown})
    with pytest.raises(StudyError, match="made small still has"):
        write_stand_in(row("llama-3-8b-instruct"), tmp_path)


@pytest.mark.parametrize("name", ["model.gguf", "README.md"])
def test_a_source_without_a_config_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(StudyError, match=r"needs the model's config\.json"):
        write_stand_in(row("llama-7b"), tmp_path)


def test_an_architecture_that_transformers_has_not_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {**LLAMA_3, "model_type": "baichuan"})
    with pytest.raises(StudyError, match="'baichuan' cannot be built"):
        write_stand_in(row("llama-7b"), tmp_path)
