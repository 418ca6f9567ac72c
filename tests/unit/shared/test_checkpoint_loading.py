"""A checkpoint is loaded whole or not at all, and its values are looked at in blocks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, MixtralConfig

from bayling_study.config import StudyConfig
from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.shared import models
from bayling_study.shared.checkpoints import tensorfile
from bayling_study.shared.checkpoints.loading import check_weights, load_whole
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.stages.export.__main__ import make_format
from bayling_study.stages.export.job import export
from helpers.broken_weights import FAULTS, NORM, UP, extra, in_shards, rewrite, without
from helpers.training import tiny_model, write_foundation

FREQUENCIES = "model.layers.0.self_attn.rotary_emb.inv_freq"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_checkpoint_is_named(tmp_path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    with pytest.raises(StudyError, match=message):
        check_weights(rewrite(write_foundation(tmp_path), change))


def test_all_faults_are_told_at_once_and_long_lists_are_cut(tmp_path: Path) -> None:
    layer = "model.layers.1."
    names = [f"{layer}mlp.{part}_proj.weight" for part in ("up", "down", "gate")]
    names += [f"{layer}self_attn.{part}_proj.weight" for part in "qkv"]
    folder = rewrite(write_foundation(tmp_path), without(*names))
    rewrite(folder, extra(NORM, 2, 2))
    with pytest.raises(StudyError) as caught:
        check_weights(folder)
    assert f"6 missing: {', '.join(sorted(names)[:5])}, …; 1 of another shape" in str(caught.value)


@pytest.mark.parametrize(
    ("tied", "change"),
    [
        (True, lambda weights: None),
        (False, lambda weights: None),
        (True, lambda weights: weights.update(
            {"lm_head.weight": weights["model.embed_tokens.weight"].clone()})),
        (True, extra(FREQUENCIES, 4)),
        (False, lambda weights: [
            weights.update({name.removeprefix("model."): weights.pop(name)})
            for name in list(weights)]),
    ],
    ids=["tied", "untied", "tied head is stored", "rotary frequencies", "no prefix"],
)  # fmt: skip
def test_what_transformers_reads_whole_is_taken(tmp_path: Path, tied: bool, change) -> None:
    check_weights(rewrite(write_foundation(tmp_path, tied), change))


def test_an_untied_output_layer_may_not_be_absent(tmp_path: Path) -> None:
    folder = rewrite(write_foundation(tmp_path, tied=False), without("lm_head.weight"))
    with pytest.raises(StudyError, match=r"1 missing: lm_head\.weight"):
        check_weights(folder)


@pytest.mark.parametrize("kind", ["gpt2", "mixtral"])
def test_other_architectures_are_taken(tmp_path: Path, kind: str) -> None:
    """GPT-2 stores its matrices transposed; Mixtral's experts are stored apart and joined."""
    sizes = {"vocab_size": 64, "hidden_size": 32, "num_attention_heads": 2}
    if kind == "gpt2":
        config = GPT2Config(vocab_size=64, n_embd=32, n_head=2, n_layer=1)
    else:
        config = MixtralConfig(
            **sizes, intermediate_size=48, num_hidden_layers=1, num_key_value_heads=2,
            num_local_experts=2,
        )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    check_weights(tmp_path)


def test_shards_are_checked_one_and_all(tmp_path: Path) -> None:
    folder = in_shards(write_foundation(tmp_path))
    check_weights(folder)
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    shards[1].unlink()
    with pytest.raises(
        StudyError, match=rf"1 shard\(s\) of the index are missing: {shards[1].name}"
    ):
        check_weights(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_is_found_at_every_place_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, value: float
) -> None:
    monkeypatch.setattr(tensorfile, "BLOCK", 512)  # bytes: a matrix has many blocks
    folder = write_foundation(tmp_path)
    whole = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    for place in (0, 1, 37, 63, 64, 700, -1):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
        model.get_parameter(UP).data.view(-1)[place] = value
        model.save_pretrained(folder)
        with pytest.raises(StudyError, match=f"1 tensors hold NaN or infinite values: {UP}"):
            check_weights(folder)
        whole.save_pretrained(folder)
    check_weights(folder)


def test_a_config_of_another_size_is_named(tmp_path: Path) -> None:
    folder = write_foundation(tmp_path)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, "num_hidden_layers": 3}))
    with pytest.raises(StudyError, match=r"9 missing: model\.layers\.2\.input_layernorm"):
        check_weights(folder)


@pytest.mark.parametrize("fault", list(FAULTS)[:3])
def test_every_reader_refuses_weights_that_it_would_have_to_make_up(
    tmp_path: Path, fault: str
) -> None:
    """Generation, perplexity, harness, judging and chat load with ``models.load``."""
    change, message = FAULTS[fault]
    folder = rewrite(write_foundation(tmp_path), change)
    with pytest.raises(StudyError, match=message):
        models.load(folder, GenerationSection())


@pytest.mark.parametrize("kind", ["bitsandbytes", "groupwise", "gguf"])
def test_an_8_bit_form_of_our_own_is_whole(tmp_path: Path, kind: str) -> None:
    source = open_checkpoint(write_foundation(tmp_path / "model"))
    config = StudyConfig.model_validate({"study": {"name": "tiny", "title": "Tiny"}})
    export(source, make_format(source, kind, config), tmp_path / "int8")
    loaded = models.load(tmp_path / "int8", GenerationSection(precision="fp32"))
    assert loaded.format == kind
    assert loaded.context == 1024


def test_the_loaded_weights_are_the_stored_ones(tmp_path: Path) -> None:
    folder = write_foundation(tmp_path / "model")
    loaded = load_whole(folder, dtype=torch.float32).state_dict()
    expected = tiny_model(loaded["model.embed_tokens.weight"].shape[0]).state_dict()
    assert list(loaded) == list(expected)
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)
