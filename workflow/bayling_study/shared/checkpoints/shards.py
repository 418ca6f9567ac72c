"""Writes a checkpoint's shards one tensor at a time, with index and companions."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from bayling_study.core.files import write_json
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.tensorfile import build_header

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
COMPANIONS = frozenset({".json", ".jinja", ".model", ".txt", ".md"})
"""Suffixes of what stands beside the weights: config, tokenizer, template, card; no code."""
NOT_COPIED = re.compile(r".*\.index\.json|delta\.json")

Maker = Callable[[str], Tensor]
"""Tensor name to what is to be stored under it."""


def write_shards(
    source: Checkpoint, dtypes: Mapping[str, torch.dtype], make: Maker, folder: Path
) -> dict[str, str]:
    """Writes new tensors in the shards of a checkpoint.

    Args:
        source: whose names, shapes and files are kept.
        dtypes: type of each tensor to be written.
        make: computes a tensor; only one is in memory at a time.
        folder: an existing folder.

    Returns:
        SHA-256 of the bytes of each tensor.
    """
    hashes: dict[str, str] = {}
    files: dict[str, str] = {}
    for file in source.files:
        name = shard_name(file.name)
        inside = [tensor for tensor, place in source.places.items() if place.file == file]
        if inside:
            entries = [(t, dtypes[t], source.places[t].shape) for t in inside]
            hashes |= _write_file(folder / name, entries, make)
            files |= dict.fromkeys(inside, name)
    if set(files.values()) != {SINGLE}:
        places = source.places.values()
        total = sum(
            place.nbytes // place.dtype.itemsize * dtypes[name].itemsize
            for name, place in zip(source.places, places, strict=True)
        )
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": files})
    return hashes


def shard_name(name: str) -> str:
    """Returns the safetensors name of a weight file: ``pytorch_model-…bin`` changes both ends."""
    stem = name.removesuffix(".bin").removesuffix(".safetensors")
    return f"{re.sub('^pytorch_model', 'model', stem)}.safetensors"


def _write_file(
    path: Path, entries: list[tuple[str, torch.dtype, tuple[int, ...]]], make: Maker
) -> dict[str, str]:
    header, offsets = build_header(entries, {"format": "pt"})
    hashes = {}
    with open(path, "wb") as stream:
        stream.write(header)
        for name in sorted(offsets, key=offsets.__getitem__):
            data = make(name).contiguous().reshape(-1).view(torch.uint8).numpy()
            hashes[name] = hashlib.sha256(data).hexdigest()
            stream.write(memoryview(data))
    return hashes


def tensor_hash(tensor: Tensor) -> str:
    """Returns the SHA-256 of a tensor's bytes."""
    data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(data).hexdigest()


def copy_companions(source: Path, folder: Path) -> None:
    """Copies what stands beside the weights: no code, no index, no manifest of a delta."""
    for file in sorted(source.iterdir()):
        wanted = file.suffix in COMPANIONS and not NOT_COPIED.fullmatch(file.name)
        if wanted and file.is_file():
            shutil.copyfile(file, folder / file.name)
