"""What a GGUF file says of the model is carried over, or the file is refused.

The reader to compare with is neither the conversion nor transformers: the formulas of
llama.cpp's architecture ``llama`` over the file's raw tensors, in float64.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from bayling_study.core.errors import StudyError
from helpers.gguf_files import HEADS, HIDDEN, LAYERS, convert

Array = np.ndarray[Any, Any]
SIZE = HIDDEN // HEADS
IDS = [3, 40, 7, 7, 120, 259, 9, 40, 3, 77, 12, 200]


def read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    reader = gguf.GGUFReader(path)
    entries = {name.removeprefix("llama."): f.contents() for name, f in reader.fields.items()}
    tensors = {
        t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float64) for t in reader.tensors
    }
    return entries, tensors


def rotated(x: Array, theta: float) -> Array:
    """Rotates neighbouring columns of [position, head, column], as llama.cpp does."""
    angles = np.arange(len(x))[:, None, None] * theta ** (-np.arange(0, SIZE, 2) / SIZE)
    even, odd = x[..., 0::2], x[..., 1::2]
    pairs = (
        even * np.cos(angles) - odd * np.sin(angles),
        even * np.sin(angles) + odd * np.cos(angles),
    )
    return np.stack(pairs, axis=-1).reshape(x.shape)


def logits(path: Path, ids: list[int]) -> Array:
    """Returns [position, vocabulary] logits of the file's model."""
    entries, tensors = read(path)
    theta, epsilon = entries["rope.freq_base"], entries["attention.layer_norm_rms_epsilon"]
    shared = HEADS // entries["attention.head_count_kv"]

    def norm(x: Array, name: str) -> Array:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * tensors[f"{name}.weight"]

    x = tensors["token_embd.weight"][ids]
    hidden = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for block in range(LAYERS):
        part = {
            name.split(".")[2]: t for name, t in tensors.items() if name.startswith(f"blk.{block}.")
        }
        y = norm(x, f"blk.{block}.attn_norm")
        q, k, v = (
            (y @ part[f"attn_{name}"].T).reshape(len(ids), -1, SIZE).repeat(times, axis=1)
            for name, times in (("q", 1), ("k", shared), ("v", shared))
        )
        scores = np.einsum("ihd,jhd->hij", rotated(q, theta), rotated(k, theta)) / SIZE**0.5
        weights = np.exp(scores + hidden)
        weights /= weights.sum(-1, keepdims=True)
        mixed = np.einsum("hij,jhd->ihd", weights, v).reshape(len(ids), -1)
        x = x + mixed @ part["attn_output"].T
        y = norm(x, f"blk.{block}.ffn_norm")
        gate = y @ part["ffn_gate"].T
        x = x + (gate / (1 + np.exp(-gate)) * (y @ part["ffn_up"].T)) @ part["ffn_down"].T
    head = tensors.get("output.weight", tensors["token_embd.weight"])
    return norm(x, "output_norm") @ head.T


def narrow(name: str, rows: int) -> Array:
    random = np.random.default_rng(len(name))
    return (0.4 * random.normal(size=(rows, HIDDEN))).astype(np.float32)


ONE_KEY_HEAD = {
    f"blk.{b}.attn_{name}.weight": narrow(f"{b}{name}", SIZE)
    for b in range(LAYERS)
    for name in "kv"
}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"theta": 50.0},
        {"epsilon": 0.3},
        {"tensors": ONE_KEY_HEAD, "key_heads": 1},
        {"tensors": {"output.weight": narrow("output", 260)}},
        {"entries": {"rope.scaling.type": "none", "rope.scaling.factor": 1.0}},
        {
            "entries": {
                "expert_count": 0,
                "rope.dimension_count": SIZE,
                "attention.key_length": SIZE,
            }
        },
        {"entries": {"rope.scaling.finetuned": True, "attention.value_length": SIZE}},
    ],
)
def test_logits_are_those_of_the_file(tmp_path: Path, changes: dict[str, Any]) -> None:
    out, _, _ = convert(tmp_path, scale=0.4, **changes)
    expected = logits(tmp_path / "files" / "sub" / "tiny.gguf", IDS)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float64)
    found = model(torch.tensor([IDS])).logits[0].detach().numpy()
    # the checkpoint's weights are rounded to fp16
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()
    assert (found.argmax(-1) == expected.argmax(-1)).all()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"rope.scaling.type": "linear"}, r"llama\.rope\.scaling\.type: linear"),
        ({"rope.scaling.type": "yarn"}, r"scaling\.type: yarn"),
        ({"rope.scaling.factor": 4.0}, r"scaling\.factor: 4\.0"),
        ({"rope.scaling.attn_factor": 0.5}, "attn_factor"),
        ({"rope.scaling.yarn_log_multiplier": 0.1}, "yarn_log_multiplier"),
        ({"rope.scale_linear": 8.0}, "scale_linear"),
        ({"logit_scale": 0.25}, r"logit_scale: 0\.25"),
        ({"attention.scale": 0.5}, r"attention\.scale"),
        ({"residual_scale": 0.2}, "residual_scale"),
        ({"embedding_scale": 12.0}, "embedding_scale"),
        ({"final_logit_softcapping": 30.0}, "softcapping"),
        ({"expert_count": 8}, "expert_count: 8"),
        ({"attention.sliding_window": 64}, "sliding_window: 64"),
        ({"attention.causal": False}, "causal: False"),
        ({"rope.dimension_count": SIZE // 2}, "beside 8 rotated"),
        ({"attention.key_length": 2 * SIZE}, "16 beside 32 rotated"),
        ({"attention.value_length": 2 * SIZE}, "value_length: 32 beside 16"),
    ],
)
def test_an_entry_that_would_be_lost_is_refused(
    tmp_path: Path, entries: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        convert(tmp_path, entries=entries)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("rope_freqs.weight", (SIZE // 2,)),
        ("rope_factors_long.weight", (SIZE // 2,)),
        ("blk.0.attn_q.bias", (HIDDEN,)),
        ("blk.1.attn_q_norm.weight", (SIZE,)),
        ("blk.1.ffn_gate_inp.weight", (4, HIDDEN)),
        (f"blk.{LAYERS}.attn_q.weight", (HIDDEN, HIDDEN)),
    ],
)
def test_a_tensor_that_would_be_lost_is_refused(
    tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(StudyError, match=f"would lose in conversion: tensor '{name}'"):
        convert(tmp_path, tensors={name: np.full(shape, 2, np.float32)})


def test_an_absent_tensor_is_not_made_of_random_numbers(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"no tensor 'blk\.1\.ffn_up\.weight'"):
        convert(tmp_path, missing=["blk.1.ffn_up.weight"])
