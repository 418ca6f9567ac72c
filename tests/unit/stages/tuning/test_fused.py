"""Operations with gradients of their own: the numbers of autograd's, and where they are used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from deepspeed.runtime.zero.stage_1_and_2 import DeepSpeedZeroOptimizer

from bayling_study.stages.tuning.engine import keep_gradients
from bayling_study.stages.tuning.fused import (
    LOGIT_ROWS,
    NORM_ROWS,
    RmsNorm,
    SummedCrossEntropy,
    fuse_norms,
)

WIDTH = 48
FUSED = {"LlamaConfig": True, "MistralConfig": True, "Qwen3Config": True, "Gemma2Config": False}


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def both(function: Any, *inputs: torch.Tensor) -> list[torch.Tensor]:
    """Returns a function's result and the gradients of its inputs, all in fp32."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    result = function(*leaves)
    (result * torch.linspace(0.2, 2, result.numel()).view(result.shape)).sum().backward()
    return [result.detach().float(), *(leaf.grad.float() for leaf in leaves)]


def error(found: list[torch.Tensor], exact: list[torch.Tensor]) -> float:
    """Returns the largest distance from the exact numbers, by the size of each tensor's largest."""
    pairs = zip(found, exact, strict=True)
    return max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)


@pytest.mark.parametrize("rows", [1, LOGIT_ROWS, 2 * LOGIT_ROWS + 5])
def test_the_summed_cross_entropy_is_torchs_and_rounds_its_gradient_once(rows: int) -> None:
    logits, targets = drawn(rows, 700), torch.arange(rows) * 7 % 700
    plain = torch.nn.functional.cross_entropy

    def ours(own: torch.Tensor) -> torch.Tensor:
        return SummedCrossEntropy.apply(own, targets)  # type: ignore[no-any-return]

    def torchs(own: torch.Tensor) -> torch.Tensor:
        return plain(own.float(), targets, reduction="sum")

    assert error(both(ours, logits), both(torchs, logits)) < 1e-5
    half = logits.bfloat16()
    found, expected = both(ours, half), both(torchs, half)
    assert torch.allclose(found[0], expected[0], rtol=1e-6)
    assert error(found, both(torchs, half.float())) <= error(expected, both(torchs, half.float()))


@pytest.mark.parametrize("rows", [1, NORM_ROWS, 2 * NORM_ROWS + 5])
def test_the_norm_is_llamas_bit_for_bit_and_its_gradients_no_further_from_the_truth(
    rows: int,
) -> None:
    norm = transformers.models.llama.modeling_llama.LlamaRMSNorm(WIDTH, 1e-5)
    inputs, weight = drawn(2, rows, WIDTH), drawn(WIDTH, seed=2)

    def ours(own: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return RmsNorm.apply(own, scale, 1e-5)  # type: ignore[no-any-return]

    def llamas(own: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(norm, {"weight": scale}, (own,))
        return found

    exact = both(llamas, inputs, weight)
    assert error(both(ours, inputs, weight), exact) < 1e-5
    halves = inputs.bfloat16(), weight.bfloat16()
    exact = both(llamas, *(half.float() for half in halves))
    found, expected = both(ours, *halves), both(llamas, *halves)
    assert torch.equal(found[0], expected[0])
    assert error(found[1:], exact[1:]) <= error(expected[1:], exact[1:])


@pytest.mark.parametrize(("kind", "fused"), FUSED.items())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms_are_fused_where_they_are_the_same(
    kind: str, fused: bool, dtype: torch.dtype
) -> None:
    """Gemma adds 1 to the weight."""
    shape = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0}
    config = getattr(transformers, kind)(**shape, **heads)
    model = transformers.AutoModelForCausalLM.from_config(config).to(dtype).eval()
    ids = torch.arange(20)[None]
    before = model(input_ids=ids).logits
    fuse_norms(model)
    norms = [module for module in model.modules() if "RMSNorm" in type(module).__name__]
    assert [("forward" in vars(norm)) for norm in norms] == [fused] * len(norms)
    assert torch.equal(model(input_ids=ids).logits, before)
    other = torch.float32 if dtype == torch.bfloat16 else torch.bfloat16
    mixed = torch.ones(2, len(norms[0].weight), dtype=other)
    assert torch.equal(norms[0](mixed), type(norms[0]).forward(norms[0], mixed))


def test_gradients_of_every_step_are_summed_in_the_same_memory_from_zero() -> None:
    assert callable(DeepSpeedZeroOptimizer._build_compact_grad_partition_buffer)
    made: list[int] = []

    def build(group: int) -> SimpleNamespace:
        made.append(group)
        return SimpleNamespace(flat_partition=torch.zeros(3))

    optimizer = SimpleNamespace(_build_compact_grad_partition_buffer=build)
    keep_gradients(optimizer)
    first = optimizer._build_compact_grad_partition_buffer(0)
    first.flat_partition += 1
    other = optimizer._build_compact_grad_partition_buffer(1)
    again = optimizer._build_compact_grad_partition_buffer(0)
    assert again is first
    assert other is not first
    assert not again.flat_partition.any()
    assert made == [0, 1]
    third = SimpleNamespace()
    keep_gradients(third)
    assert not vars(third)
