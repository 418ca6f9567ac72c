"""The paper's 8-bit scheme: its arithmetic and the layer that multiplies with it."""

from __future__ import annotations

import pytest
import torch

from bayling_study.shared.quantised.groupwise import (
    GroupwiseLinear,
    dequantise,
    group_count,
    quantise,
)

FP32 = torch.float32


def random_weight(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 0.02


def test_a_group_worked_out_by_hand():
    weight = torch.tensor([[1.27, -0.635, 0.01, 0.004, 0.0, 2.54, 0.03, -2.54]])
    levels, scale = quantise(weight, group=4)
    assert levels.tolist() == [[127, -64, 1, 0, 0, 127, 2, -127]]
    torch.testing.assert_close(scale, torch.tensor([[0.01, 0.02]]))
    rebuilt = dequantise(levels, scale, 4, FP32)
    torch.testing.assert_close(
        rebuilt, torch.tensor([[1.27, -0.64, 0.01, 0, 0, 2.54, 0.04, -2.54]])
    )


@pytest.mark.parametrize("columns", [1, 95, 96, 255, 256, 257, 700])
@pytest.mark.parametrize("group", [32, 256])
def test_every_value_is_within_half_a_step(columns, group):
    weight = random_weight(9, columns)
    levels, scale = quantise(weight, group)
    assert levels.shape == weight.shape and levels.dtype == torch.int8
    assert scale.shape == (9, group_count(columns, group))
    step = scale.repeat_interleave(group, dim=1)[:, :columns]
    error = (dequantise(levels, scale, group, FP32) - weight).abs()
    assert bool((error <= 0.5001 * step).all())


def test_padding_changes_nothing():
    weight = random_weight(5, 300)
    padded = torch.nn.functional.pad(weight, (0, 212))
    levels, scale = quantise(weight, 256)
    levels_padded, scale_padded = quantise(padded, 256)
    assert torch.equal(levels, levels_padded[:, :300])
    assert torch.equal(scale, scale_padded)


def test_the_error_of_a_normal_matrix_is_the_papers():
    weight = random_weight(512, 1024)
    rebuilt = dequantise(*quantise(weight, 256), 256, FP32)
    relative = float((rebuilt - weight).norm() / weight.norm())
    assert relative == pytest.approx(0.0069, abs=0.0002)


def test_a_group_of_zeros_is_exact():
    weight = random_weight(3, 512)
    weight[1, :256] = 0
    levels, scale = quantise(weight, 256)
    assert scale[1, 0] == 0 and not levels[1, :256].any()
    rebuilt = dequantise(levels, scale, 256, FP32)
    assert not rebuilt[1, :256].any()
    assert bool(torch.isfinite(rebuilt).all())


@pytest.mark.parametrize("magnitude", [1.9e-3, 1e-5, 6e-8])
def test_groups_that_upstream_turns_into_zeros_keep_their_values(magnitude):
    weight = (random_weight(4, 256) / 0.08).clamp(-1, 1).mul(magnitude).half()
    original = weight.float()
    upstream = 127 / weight.abs().amax().half()  # what the authors' scale becomes in fp16
    rebuilt = dequantise(*quantise(weight, 256), 256, FP32)
    relative = float((rebuilt - original).norm() / original.norm())
    assert relative < 0.01
    if magnitude < 1.9e-3:
        assert torch.isinf(upstream)


@pytest.mark.parametrize("magnitude", [1e-38, 1e-44, 1e-45])
def test_the_smallest_bf16_and_fp32_values_never_leave_the_range(magnitude):
    weight = torch.full((2, 8), magnitude)
    levels, scale = quantise(weight, 8)
    rebuilt = dequantise(levels, scale, 8, FP32)
    assert int(levels.abs().max()) <= 127
    assert float((rebuilt - weight).abs().max()) <= float(weight[0, 0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
def test_the_layer_multiplies_as_the_rebuilt_matrix(dtype, bias, monkeypatch):
    monkeypatch.setattr("bayling_study.shared.quantised.groupwise.PRODUCT_ELEMENTS", 300)
    levels, scale = quantise(random_weight(33, 96), 64)
    extra = torch.nn.Parameter(torch.arange(33, dtype=dtype)) if bias else None
    layer = GroupwiseLinear(levels, scale, 64, extra)
    inputs = torch.randn(2, 5, 96, generator=torch.Generator().manual_seed(1)).to(dtype)
    expected = torch.nn.functional.linear(inputs, dequantise(levels, scale, 64, dtype), extra)
    tolerance = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(layer(inputs), expected, atol=tolerance, rtol=tolerance)


def test_casting_a_model_keeps_the_steps_in_fp32():
    levels, scale = quantise(random_weight(8, 256), 256)
    model = torch.nn.Sequential(GroupwiseLinear(levels, scale.clone(), 256, None))
    model.to(torch.float16)
    assert model[0].scale.dtype == FP32 and torch.equal(model[0].scale, scale)
    assert model[0].int8.dtype == torch.int8
