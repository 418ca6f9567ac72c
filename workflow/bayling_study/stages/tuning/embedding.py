"""An input embedding whose gradient is summed in fp32. torch adds the gradients of a token's
occurrences one by one in the weight's own type: in bf16, ones added 1,000 times give 256 (torch
2.13 on a CPU; the CUDA kernel also adds in the weight's type). Frequent tokens, those of a
template, would learn too little."""

from typing import Any

import torch


class SummedInFp32(torch.nn.Embedding):  # type: ignore[misc]
    """Looks each distinct token up once and repeats its row in fp32: the sum is rounded once. The
    rows themselves are bit for bit those of the class behind this one."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Returns [*input, columns] rows in the weight's type."""
        distinct, places = input.unique(return_inverse=True)
        rows = super().forward(distinct)
        return torch.nn.functional.embedding(places, rows.float()).to(rows.dtype)


def sum_in_fp32(model: Any) -> None:
    """Has a 16-bit model sum its input embedding's gradient in fp32, in place. The module stays the
    same one, so that ties, names and shards do; where its class has a lookup of its own, such as
    one that scales the rows, that is kept."""
    embedding = model.get_input_embeddings()
    if embedding.weight.dtype != torch.float32:
        own = type(embedding)
        bases = (SummedInFp32,) if own is torch.nn.Embedding else (SummedInFp32, own)
        embedding.__class__ = type(SummedInFp32.__name__, bases, {})
