"""Attention over each row's own tokens: the same scores, of fewer keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, MistralConfig, MistralForCausalLM

from bayling_study.config.evaluation import GenerationSection
from bayling_study.shared import row_attention
from bayling_study.shared.models import load
from bayling_study.shared.reading import Reading, Text
from bayling_study.shared.row_attention import LIKE, attend_by_rows, parts_of
from helpers.tiny_model import save_checkpoint
from helpers.training import tiny_model

LENGTHS = [60, 55, 50, 20, 19, 4, 3, 30]
SHAPE: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
}  # fmt: skip


def model_of(kind: str) -> Any:
    torch.manual_seed(7)
    if kind == "llama":
        return tiny_model(64)
    if kind == "mistral":
        return MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=12))
    layers = ["sliding_attention", "full_attention", "sliding_attention"]
    own = {"head_dim": 8, "sliding_window": 12, "layer_types": layers, "query_pre_attn_scalar": 8}
    return Gemma3ForCausalLM(Gemma3TextConfig(**SHAPE, **own))


def scores(model: Any) -> list[torch.Tensor]:
    """Of the prompts' ends, and of four more tokens each."""
    draw = torch.Generator().manual_seed(3)
    texts = [torch.randint(3, 64, (n,), generator=draw).tolist() for n in LENGTHS]
    found = []
    with torch.inference_mode():
        reading = Reading(model, [Text(ids) for ids in texts])
        for _ in range(5):
            found.append(reading.read_on()[:, -1])
            reading.ids = torch.randint(3, 64, (len(texts), 1), generator=draw)
            reading.lengths = reading.lengths + 1
    return found


@pytest.mark.parametrize("kind", ["llama", "mistral", "gemma"])
def test_scores_are_those_of_the_whole_batch(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(kind).eval()
    expected = scores(model)
    attend_by_rows(model)
    seen: list[tuple[int, int]] = []
    kernel = row_attention.sdpa_attention_forward

    def counted(module: Any, query: Any, key: Any, *rest: Any, **options: Any) -> Any:
        if query.shape[2] == 1:
            seen.append((key.shape[0], key.shape[2]))
        return kernel(module, query, key, *rest, **options)

    monkeypatch.setattr(row_attention, "sdpa_attention_forward", counted)
    found = scores(model)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    layers, steps = model.config.num_hidden_layers, range(1, 5)
    own = layers * sum(sum(LENGTHS) + step * len(LENGTHS) for step in steps)
    padded = layers * sum((max(LENGTHS) + step) * len(LENGTHS) for step in steps)
    assert own <= sum(rows * keys for rows, keys in seen) <= LIKE * own < padded


@pytest.mark.parametrize("lengths", [[5], [5, 5, 4], LENGTHS, [1, 100, 1, 100], [3, 9, 27, 81]])
def test_parts_hold_each_row_once_and_are_of_like_length(lengths: list[int]) -> None:
    parts = parts_of(lengths)
    held = [lengths[rows] for rows, _ in parts]
    assert [length for part in held for length in part] == lengths
    for part, (_, columns) in zip(held, parts, strict=True):
        assert max(part) == columns <= LIKE * min(part)


def test_only_a_model_that_can_be_told_is_changed(tmp_path: Path) -> None:
    loaded = load(save_checkpoint(tmp_path), GenerationSection(precision="fp32")).model
    assert loaded.config._attn_implementation == row_attention.NAME
    eager = tiny_model(64)
    eager.set_attn_implementation("eager")
    deaf = tiny_model(64)
    deaf._supports_attention_backend = False
    for model, name in ((eager, "eager"), (deaf, "sdpa")):
        attend_by_rows(model)
        assert model.config._attn_implementation == name
