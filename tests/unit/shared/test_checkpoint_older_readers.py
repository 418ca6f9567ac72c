"""What transformers 4 reads of a checkpoint's files, said beside what version 5 says."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bayling_study.core.files import read_json, write_json
from bayling_study.shared.checkpoints.older_readers import add_older_names
from helpers.export_models import TEXT, logits, save_tiny

PLAIN = {"rope_type": "default", "rope_theta": 100000.0}
LINEAR = {"rope_type": "linear", "factor": 2.0, "rope_theta": 50000.0}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


@pytest.mark.parametrize("rope", [PLAIN, LINEAR, LLAMA3], ids=lambda rope: rope["rope_type"])
def test_rotary_angles_have_their_older_names_and_version_5_reads_the_same_model(tmp_path, rope):
    save_tiny(tmp_path, rope_parameters=rope)
    before = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    add_older_names(tmp_path)
    config = read_json(tmp_path / "config.json")
    assert config["rope_theta"] == rope["rope_theta"]
    scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
    assert config.get("rope_scaling") == (None if rope is PLAIN else scaling)
    again = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    assert again.config.rope_parameters == before.config.rope_parameters
    assert torch.equal(logits(again), logits(before))


def test_the_tokenizer_has_a_class_that_both_versions_know(tmp_path):
    save_tiny(tmp_path)
    before = AutoTokenizer.from_pretrained(tmp_path)
    assert read_json(tmp_path / "tokenizer_config.json")["tokenizer_class"] == "TokenizersBackend"
    add_older_names(tmp_path)
    values = read_json(tmp_path / "tokenizer_config.json")
    assert values["tokenizer_class"] == "PreTrainedTokenizerFast"
    after = AutoTokenizer.from_pretrained(tmp_path)
    assert after(TEXT).input_ids == before(TEXT).input_ids
    assert after.special_tokens_map == before.special_tokens_map


def test_other_tokenizers_and_angles_by_layer_stay_as_they_are(tmp_path):
    layers = {"rope_parameters": {"full_attention": PLAIN, "sliding_attention": LINEAR}}
    write_json(tmp_path / "config.json", layers)
    write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer"})
    add_older_names(tmp_path)
    assert read_json(tmp_path / "config.json") == layers
    assert read_json(tmp_path / "tokenizer_config.json") == {"tokenizer_class": "LlamaTokenizer"}
