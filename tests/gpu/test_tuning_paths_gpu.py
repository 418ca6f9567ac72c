"""Ways through the tuning stage on a GPU, in tiny shapes: ``python -m pytest -m gpu tests/gpu``.

``test_tuning_paths.py`` and ``test_tuning_adapter_stage.py`` of ``tests/unit/stages/tuning`` run
the same functions on cores. Written on a machine without a GPU; what a GPU adds (NCCL, kernels,
its offload) had not run when they were written.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from bayling_study.stages.tuning.attention import Attention
from helpers import tuning_paths as paths
from helpers.training import write_wide_foundation

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
needs_flash = pytest.mark.skipif(
    importlib.util.find_spec("flash_attn") is None, reason="flash-attn is not installed"
)
needs_two = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there are no two GPUs")
needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None, reason="offload's AdamW needs a C++ compiler"
)
BF16_LOGITS = 0.05
"""Logits of these models are below 1 and bf16 keeps 8 bits of each sum on the way."""


@needs_compiler
@pytest.mark.parametrize(
    ("zero_stage", "offload"), [(2, "optimizer"), (3, "optimizer"), (3, "all")]
)
def test_training_with_offload_is_resumed(tmp_path: Path, zero_stage: int, offload: str) -> None:
    whole, broken = paths.whole_and_interrupted(
        tmp_path, zero_stage=zero_stage, offload=offload, precision="bf16", attention="sdpa"
    )
    loss, weight = paths.differences(whole, broken)
    assert loss < 1e-3 and weight < 1e-4


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_training_on_the_device_is_resumed(tmp_path: Path, zero_stage: int) -> None:
    whole, broken = paths.whole_and_interrupted(
        tmp_path, zero_stage=zero_stage, offload="none", precision="bf16"
    )
    loss, weight = paths.differences(whole, broken)
    assert loss < 1e-3 and weight < 1e-4


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=needs_two)])
def test_a_sharded_model_is_gathered_whole(tmp_path: Path, processes: int) -> None:
    """Over NCCL where there are two GPUs; also what two ranks learn is what one learns."""
    chosen = {"offload": "none", "attention": "sdpa"}
    one = paths.prepared(tmp_path / "one", zero_stage=1, **chosen)
    other = paths.prepared(tmp_path / "other", processes, zero_stage=3, **chosen)
    for stage in (one, other):
        paths.run(stage)
    loss, weight = paths.differences(one, other)
    assert loss < 1e-3 and weight < 1e-3


@needs_two
def test_two_ranks_are_interrupted_and_resumed_together(tmp_path: Path) -> None:
    whole, broken = paths.whole_and_interrupted(
        tmp_path, processes=2, zero_stage=3, offload="none", attention="sdpa"
    )
    loss, weight = paths.differences(whole, broken)
    assert loss < 1e-3 and weight < 1e-4


def test_qlora_is_merged_into_an_ordinary_checkpoint(tmp_path: Path) -> None:
    adapter = {"kind": "qlora", "rank": 4, "alpha": 16}
    stage = paths.prepared(tmp_path, adapter=adapter, zero_stage=2)
    paths.run(stage)
    paths.check_merged(stage)


@pytest.mark.parametrize(
    "attention",
    ["grouped_eager", "flex_attention", pytest.param("flash_attention_2", marks=needs_flash)],
)
def test_packed_logits_are_those_alone_and_sdpas(tmp_path: Path, attention: Attention) -> None:
    """Each kernel keeps conversations apart, and computes what SDPA computes."""
    folder, dtype = write_wide_foundation(tmp_path), torch.bfloat16
    results = {}
    for name in ("grouped_sdpa", attention):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation=name)
        results[name] = paths.packed_and_alone(model.to("cuda").eval(), name)
    packed, alone = results[attention]
    assert packed.abs().max() > 2 * BF16_LOGITS
    torch.testing.assert_close(packed, alone, atol=BF16_LOGITS, rtol=0)
    torch.testing.assert_close(packed, results["grouped_sdpa"][1], atol=BF16_LOGITS, rtol=0)
