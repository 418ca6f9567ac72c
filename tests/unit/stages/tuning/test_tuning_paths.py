"""Ways through the tuning stage that a GPU takes too, here on cores (``tests/gpu`` has the rest).

With offload, DeepSpeed's AdamW is compiled first, which takes minutes; into a folder
of this test, because a compilation that is killed leaves a lock at which later ones wait.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

from bayling_study.stages.tuning.attention import Attention
from helpers import tuning_paths as paths
from helpers.training import chatml_tokenizer, tiny_model

pytestmark = pytest.mark.first
needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None or shutil.which("ninja") is None,
    reason="there is no C++ compiler or no ninja",
)


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the extension is compiled, once for all tests here."""
    return os.environ.get("TORCH_EXTENSIONS_DIR") or str(tmp_path_factory.mktemp("extensions"))


@needs_compiler
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("zero_stage", "offload"), [(2, "optimizer"), (3, "all")])
def test_training_with_offload_is_resumed_to_the_bit(
    tmp_path: Path,
    extensions: str,
    monkeypatch: pytest.MonkeyPatch,
    zero_stage: int,
    offload: str,
) -> None:
    """And it takes the steps of training without, but for the two AdamWs' rounding."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", extensions)
    chosen = {"zero_stage": zero_stage, "precision": "bf16"}
    whole, broken = paths.whole_and_interrupted(tmp_path, offload=offload, **chosen)
    assert paths.differences(whole, broken) == (0.0, 0.0)
    plain = paths.prepared(tmp_path / "plain", **chosen)
    paths.run(plain)
    loss, weight = paths.differences(whole, plain)
    assert loss < 5e-3 and weight < 3e-3  # AdamW turns a rounded sign into a whole step


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_sharded_model_is_gathered_whole(tmp_path: Path) -> None:
    """ZeRO 3 on two processes writes the weights of ZeRO 1 on one."""
    one = paths.prepared(tmp_path / "one", zero_stage=1)
    two = paths.prepared(tmp_path / "two", processes=2, zero_stage=3)
    for stage in (one, two):
        paths.run(stage)
    loss, weight = paths.differences(one, two)
    assert loss < 1e-5 and weight < 1e-3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_qlora_is_merged_into_an_ordinary_checkpoint(tmp_path: Path) -> None:
    adapter = {"kind": "qlora", "rank": 4, "alpha": 16}
    stage = paths.prepared(tmp_path, adapter=adapter, zero_stage=2)
    paths.run(stage)
    paths.check_merged(stage)


@pytest.mark.parametrize("attention", ["grouped_sdpa", "grouped_eager"])
def test_packed_logits_are_those_alone(attention: Attention) -> None:
    model = tiny_model(len(chatml_tokenizer()), attn_implementation=attention).eval()
    packed, alone = paths.packed_and_alone(model, attention)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)
