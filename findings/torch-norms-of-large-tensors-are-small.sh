#!/usr/bin/env bash
# torch 2.13.0: on a CPU the norm of a large fp32 tensor is too small.
# One would guess: like `sum`, which adds up in blocks, `vector_norm`, `norm` and the total of
# `clip_grad_norm_` are right to six digits, whatever the size.
# What happens: each lane of a vector register has one fp32 sum for the whole tensor, of 16 in all on
# this processor, and what is added is rounded away more and more: of normal values the norm loses
# 0.16 % at 28 million (the embedding of SmolLM2-135M), 1.4 % at 131 million (of LLaMA-7B) and, not
# run here, 9 % at 525 million (of Llama 3 8B). Gradients are clipped that much too little, and training logs show it.
# `dtype=torch.float64`, and norms of parts, are right.
# Output seen (the lanes of other processors change the last column a little):
#   28,311,552 values: sum of squares +8.1e-09, norm of parts -1.0e-05, vector_norm -1.6e-03
#   131,072,000 values: sum of squares +1.7e-08, norm of parts -1.0e-05, vector_norm -1.4e-02
#   clip_grad_norm_ to 1 leaves a norm of 1.014
. "$(dirname "$0")/common.sh"
packages torch==2.13.0 numpy==2.4.2
python - <<"END"
import torch

PART = 1 << 20


def exact(values):
    return float(sum(part.double().square().sum() for part in values.split(PART)) ** 0.5)


def relative(found, truth):
    return float(found) / truth - 1


lost = {}
for rows, columns in ((49_152, 576), (32_000, 4096)):
    values = torch.randn(rows * columns, generator=torch.Generator().manual_seed(1))
    truth = exact(values)
    summed = relative(values.square().sum().sqrt(), truth)
    parts = torch.stack([torch.linalg.vector_norm(part) for part in values.split(PART)])
    parted = relative(torch.linalg.vector_norm(parts), truth)
    whole = relative(torch.linalg.vector_norm(values), truth)
    print(
        f"{len(values):,} values: sum of squares {summed:+.1e}, norm of parts {parted:+.1e}, "
        f"vector_norm {whole:+.1e}"
    )
    assert abs(summed) < 1e-6 and abs(parted) < 1e-4
    lost[len(values)] = whole
assert lost[28_311_552] < -1e-3 and lost[131_072_000] < -1e-2

parameter = torch.nn.Parameter(torch.zeros(len(values)))
parameter.grad = values
torch.nn.utils.clip_grad_norm_([parameter], 1.0)
print(f"clip_grad_norm_ to 1 leaves a norm of {exact(parameter.grad):.3f}")
assert exact(parameter.grad) > 1.01
END
