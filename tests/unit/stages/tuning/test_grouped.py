"""Attention in groups of conversations is what each conversation has alone, for every model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from bayling_study.config.tuning import TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.stages.tuning.engine import load_model
from bayling_study.stages.tuning.grouped import LIKE, SHARED, Groups
from bayling_study.stages.tuning.sequences import Tokenised, build_sequence, sequence_loss

LENGTHS = [3, 40, 9, 41, 17, 10, 64, 1, 33]
START = 7
SHAPE = {
    "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "max_position_embeddings": 256, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "LlamaConfig": {},
    "LlamaConfig, a head's keys for itself": {"num_key_value_heads": 4},
    "MistralConfig, a window": {"sliding_window": 6},
    "Gemma2Config, capped scores and a window": {
        "sliding_window": 8, "attn_logit_softcapping": 0.05, "query_pre_attn_scalar": 5,
    },
    "Qwen3Config": {},
    "GPT2Config": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48, "n_positions": 256},
}  # fmt: skip


def model_of(kind: str, attention: str) -> Any:
    torch.manual_seed(5)
    config = getattr(transformers, kind.partition(",")[0])(**{**SHAPE, **KINDS[kind]})
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    return model.float().eval()


def conversations(start: int = START) -> list[Tokenised]:
    """Conversations of several lengths with a start in common, half of the rest supervised."""
    draw = np.random.default_rng(3)
    first = draw.integers(3, 90, start)
    own = [np.concatenate([first, draw.integers(3, 90, length)]) for length in LENGTHS]
    places = [np.arange(len(ids)) for ids in own]
    masks = [(place > start) & (place % 2 == 1) for place in places]
    return [(ids.astype(np.int32), mask) for ids, mask in zip(own, masks, strict=True)]


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: value.grad.clone() for name, value in model.named_parameters()}
    model.zero_grad()
    return found


@pytest.mark.parametrize("prefix", [0, START])
@pytest.mark.parametrize("attention", ["grouped_eager", "grouped_sdpa"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_sequence_is_what_the_model_gives_each_conversation_alone(
    kind: str, attention: str, prefix: int
) -> None:
    """Loss and gradients, against transformers' own attention without any packing."""
    if kind.startswith("Gemma2") and attention == "grouped_sdpa":
        with pytest.raises(ValueError, match="does not support"):
            model_of(kind, attention)
        return
    parts = conversations()
    alone, total = model_of(kind, "eager"), torch.zeros(())
    for ids, mask in parts:
        logits = alone(torch.from_numpy(ids.astype(np.int64))[None]).logits[0]
        wanted = torch.where(torch.from_numpy(mask), torch.from_numpy(ids.astype(np.int64)), -100)
        total = total + torch.nn.functional.cross_entropy(logits[:-1], wanted[1:], reduction="sum")
    total.backward()
    ours = model_of(kind, attention)
    loss = sequence_loss(ours, build_sequence(parts, "cpu", prefix), attention)
    loss.backward()
    torch.testing.assert_close(loss, total, rtol=1e-5, atol=1e-4)
    expected = gradients(alone)
    for name, found in gradients(ours).items():
        torch.testing.assert_close(found, expected[name], rtol=1e-4, atol=2e-4, msg=name)


def test_conversations_of_like_length_are_computed_together() -> None:
    packed = build_sequence(conversations(), "cpu", START)
    groups = Groups(packed.segments)
    own = [group.queries.shape for group in groups.groups]
    assert own[0] == (1, START)  # the start reads itself
    assert sum(rows for rows, _ in own[1:]) == len(LENGTHS)
    assert [longest for _, longest in own[1:]] == [1, 3, 10, 17, 41, 64]
    padding = sum(rows * longest for rows, longest in own) - len(packed.segments)
    assert padding <= (LIKE - 1) * len(packed.segments)
    assert sorted(set(groups.places.tolist())) == sorted(groups.places.tolist())
    read = torch.cat([group.queries.flatten() for group in groups.groups])[groups.places]
    assert torch.equal(read, torch.arange(len(packed.segments)))
    assert (packed.segments == SHARED).sum() == START


def test_masks_are_made_once_for_all_layers() -> None:
    groups = Groups(build_sequence(conversations(), "cpu", START).segments)
    first = groups.masks(2, None, torch.float32)
    assert groups.masks(2, None, torch.float32) is first
    assert groups.masks(2, 4, torch.float32) is not first


def test_attention_with_sinks_is_refused_and_not_computed_without_them() -> None:
    """With SDPA transformers refuses such a model itself."""
    torch.manual_seed(5)
    shape = {**SHAPE, "num_local_experts": 2, "num_experts_per_tok": 1, "head_dim": 8}
    config = transformers.GptOssConfig(**shape)
    model = transformers.GptOssForCausalLM(config)
    model.set_attn_implementation("grouped_eager")
    with pytest.raises(StudyError, match="GptOssAttention attends with s_aux"):
        sequence_loss(model, build_sequence(conversations(), "cpu"), "grouped_eager")


def test_a_model_whose_attention_cannot_be_chosen_is_refused(tmp_path: Path) -> None:
    config = transformers.BloomConfig(vocab_size=90, hidden_size=32, n_layer=1, n_head=2)
    transformers.BloomForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(StudyError, match="BloomForCausalLM has an attention of its own"):
        load_model(str(tmp_path), TuningSection(max_length=64), "grouped_eager")
