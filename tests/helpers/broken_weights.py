"""Ways to break the weights of a safetensors checkpoint, in place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

Weights = dict[str, Tensor]
UP = "model.layers.1.mlp.up_proj.weight"
NORM = "model.norm.weight"


def rewrite(folder: Path, change: Callable[[Weights], object]) -> Path:
    """Changes the tensors of a checkpoint of one file; returns its folder."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})
    return folder


def without(*names: str) -> Callable[[Weights], object]:
    """Returns a change that removes tensors."""
    return lambda weights: [weights.pop(name) for name in names]


def extra(name: str, *shape: int) -> Callable[[Weights], object]:
    """Returns a change that adds a tensor, or replaces it by one of another shape."""
    return lambda weights: weights.update({name: torch.ones(shape)})


def poisoned(name: str, value: float) -> Callable[[Weights], object]:
    """Returns a change that puts a value at the end of a tensor."""
    return lambda weights: weights[name].view(-1)[-1:].fill_(value)


def in_shards(folder: Path) -> Path:
    """Stores a checkpoint of one file in several, with an index; returns its folder."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    return folder


def pickled(folder: Path) -> Path:
    """Stores the weights as PyTorch's pickle alone; returns the folder."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    return folder


FAULTS: dict[str, tuple[Callable[[Weights], object], str]] = {
    "a tensor is missing": (without(UP), f"1 missing: {UP}"),
    "a tensor has another shape": (extra(NORM, 7), rf"{NORM} \(stored \(7,\), needed \(\d+,\)\)"),
    "a tensor is unknown": (extra("model.layers.9.mlp.up_proj.weight", 3), "model.layers.9.mlp"),
    "a weight is NaN": (poisoned(UP, float("nan")), f"1 tensors hold NaN .*: {UP}"),
    "a weight is infinite": (poisoned(NORM, float("-inf")), f"1 tensors hold NaN .*: {NORM}"),
}
"""What is wrong, how it is made, and what the message must say."""
