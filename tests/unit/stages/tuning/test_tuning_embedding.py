"""The gradient of a 16-bit embedding is the fp32 sum, however often a token occurs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from bayling_study.stages.tuning.engine import sum_in_fp32
from helpers.programs import run_training
from helpers.tiny_model import save_checkpoint

TESTS = Path(__file__).parents[3]
ROUNDING = 2**-8
"""Largest relative error of one rounding to bf16."""


class Holder(torch.nn.Module):
    def __init__(self, embedding: torch.nn.Embedding) -> None:
        super().__init__()
        self.embedding = embedding

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.embedding


class Scaled(torch.nn.Embedding):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) * 4


def summed(embedding: torch.nn.Embedding) -> torch.nn.Embedding:
    sum_in_fp32(Holder(embedding))
    return embedding


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("times", [300, 1000, 4000, 20000])
def test_a_token_used_often_gets_the_whole_sum(dtype: torch.dtype, times: int) -> None:
    embedding = summed(torch.nn.Embedding(50, 8, dtype=dtype))
    ids = torch.full((1, times), 7)
    embedding(ids).backward(torch.ones(1, times, 8, dtype=dtype))
    gradient = embedding.weight.grad
    assert gradient is not None and gradient.dtype == dtype
    assert torch.equal(gradient[7], torch.full((8,), times, dtype=dtype))
    assert gradient.count_nonzero() == 8


def test_rows_are_the_same_bits_and_sums_those_of_fp32() -> None:
    torch.manual_seed(5)
    plain = torch.nn.Embedding(30, 16, padding_idx=0, dtype=torch.bfloat16)
    ids = torch.randint(0, 30, (3, 500))
    gradient = (0.1 + 0.3 * torch.randn(3, 500, 16)).bfloat16()
    expected = plain(ids)
    embedding = summed(plain)
    rows = embedding(ids)
    assert torch.equal(rows, expected) and rows.dtype == torch.bfloat16
    rows.backward(gradient)
    total = torch.zeros(30, 16).index_add_(0, ids.flatten(), gradient.float().flatten(0, 1))
    total[0] = 0  # a padding token learns nothing, as in torch
    assert embedding.weight.grad is not None
    assert torch.allclose(embedding.weight.grad.float(), total, rtol=ROUNDING, atol=1e-5)


def test_a_lookup_of_its_own_is_kept() -> None:
    embedding = summed(Scaled(5, 2, dtype=torch.bfloat16))
    rows = embedding(torch.full((1000,), 3))
    assert torch.equal(rows[0], embedding.weight[3] * 4)
    rows.backward(torch.ones(1000, 2, dtype=torch.bfloat16))
    assert embedding.weight.grad is not None
    assert embedding.weight.grad[3].tolist() == [4000.0, 4000.0]


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_deepspeed_gets_both_parts_of_a_tied_weights_sum(tmp_path: Path, stage: int) -> None:
    foundation = save_checkpoint(tmp_path / "foundation", context=1100)
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent / "workflow")])
    done = run_training(
        [sys.executable, "-m", "helpers.embedding_probe", str(foundation), str(stage)],
        {**os.environ, "PYTHONPATH": paths, "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    distance = float(done.stdout.rpartition("relative distance: ")[2])
    assert distance < 2 * ROUNDING  # each part is rounded once
