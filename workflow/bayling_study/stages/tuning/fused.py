"""Operations of a training step whose gradients are written out, because autograd's own keep or
clear far more memory than they need. On cores, pages that the system clears were a fifth of a
step's processor time (SmolLM2-135M, torch 2.13)."""

from collections.abc import Iterator
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

LOGIT_ROWS, NORM_ROWS = 64, 256
"""Rows that are in fp32 at a time: few enough that their blocks of memory are used again."""
EPSILONS = ("variance_epsilon", "eps")
"""What transformers' norms call the number that they add to the mean of the squares."""


class SummedCrossEntropy(Function):  # type: ignore[misc]  # torch is not type-checked
    """``apply(logits, targets)`` returns the sum over all rows, in nats. Logits [rows, vocabulary]
    are compared in fp32, a few rows at a time; their gradient is rounded once."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        """Keeps the logits as they are, and the logarithm of each row's sum."""
        sums, losses = [], []
        for rows, own in zip(logits.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True):
            wide = rows.float()
            chosen = wide.gather(1, own[:, None])
            found = wide.log_softmax(-1).gather(1, own[:, None])
            sums.append(chosen - found)
            losses.append(-found)
        ctx.save_for_backward(logits, targets, torch.cat(sums))
        return torch.cat(losses).sum()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Softmax less one at the target, times the sum's gradient."""
        logits, targets, sums = ctx.saved_tensors
        result = torch.empty_like(logits)
        parts = (tensor.split(LOGIT_ROWS) for tensor in (logits, targets, sums, result))
        for rows, own, total, out in zip(*parts, strict=True):
            wide = (rows.float() - total).exp_()
            wide.scatter_add_(1, own[:, None], wide.new_full((len(own), 1), -1.0))
            out.copy_(wide.mul_(gradient))
        return result, None


class RmsNorm(Function):  # type: ignore[misc]
    """``apply(inputs, weight, epsilon)``: inputs [..., width] by the root of the mean of their
    squares, times the weight, as in Llama: in fp32, rounded, then weighted. For the way back only
    the inputs are kept, which the residual connection has anyway."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        """Keeps one number a row besides its arguments."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        result, scales = torch.empty_like(flat), []
        for rows, out in _parts(flat, result):
            wide = rows.float()
            scales.append(torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon))
            torch.mul(weight, (wide * scales[-1]).to(inputs.dtype), out=out)
        ctx.save_for_backward(flat, weight, torch.cat(scales))
        return result.view(inputs.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        """Sums the weight's gradient in fp32 too."""
        flat, weight, scales = ctx.saved_tensors
        result, wide_weight = torch.empty_like(flat), weight.float()
        summed = torch.zeros_like(wide_weight)
        wholes = flat, gradient.reshape(flat.shape), scales, result
        for rows, back, scale, out in _parts(*wholes):
            normed, wide = rows.float() * scale, back.float()
            product = wide * normed
            summed += product.sum(0)
            share = (product @ wide_weight)[:, None] / len(weight)
            out.copy_((wide * wide_weight).sub_(normed.mul_(share)).mul_(scale))
        return result.view(gradient.shape), summed.to(weight.dtype), None


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yields some rows of all at a time; on a GPU, where a call costs more than memory, all."""
    count = NORM_ROWS if tensors[0].is_cpu else max(1, len(tensors[0]))
    return zip(*(tensor.split(count) for tensor in tensors), strict=True)


def fuse_norms(model: Any) -> None:
    """Has ``RmsNorm`` compute a model's norms, in place: those whose results it has bit for bit, so
    that a norm of another kind (Gemma's adds 1 to the weight) stays what it is."""
    for module in model.modules():
        if "RMSNorm" in type(module).__name__ and len(signature(module.forward).parameters) == 1:
            weight = getattr(module, "weight", None)
            epsilons = (getattr(module, name) for name in EPSILONS if hasattr(module, name))
            epsilon = next(epsilons, None)
            if weight is not None and epsilon is not None and _is_same(module, weight, epsilon):
                module.forward = partial(_fused, module, epsilon)


def _is_same(module: Any, weight: Tensor, epsilon: float) -> bool:
    width = getattr(weight, "ds_shape", weight.shape)[0]  # whole, where ZeRO's stage 3 shards it
    line = torch.linspace(-3, 5, 8 * width, device=weight.device).to(weight.dtype)
    probe, other = line.view(8, -1), line[-width:]
    with torch.no_grad():
        own = torch.func.functional_call(module, {"weight": other}, (probe,))
        return bool(torch.equal(own, RmsNorm.apply(probe, other, epsilon)))


def _fused(module: Any, epsilon: float, inputs: Tensor) -> Tensor:
    if inputs.dtype != module.weight.dtype:  # tried above is one type alone
        normed: Tensor = type(module).forward(module, inputs)
    else:
        normed = RmsNorm.apply(inputs, module.weight, epsilon)
    return normed
