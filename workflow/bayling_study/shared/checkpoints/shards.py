"""Writes weight files one tensor at a time, with their index and companions. Where each tensor goes
is known before the first byte is written, so tensors may come in any order, also several at once,
and none need be in memory whole."""

import hashlib
import json
import math
import os
import re
import shutil
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bayling_study.core.files import read_json, write_json
from bayling_study.shared.checkpoints import decoding_defaults
from bayling_study.shared.checkpoints.reading import SAFETENSORS, Checkpoint
from bayling_study.shared.checkpoints.tensorfile import ALIGNMENT, DTYPE_NAMES

INDEX, SINGLE = SAFETENSORS
COMPANIONS = frozenset({".json", ".jinja", ".model", ".txt", ".md"})
"""Suffixes of what stands beside the weights: config, tokenizer, template, card; no code."""
NOT_COPIED = re.compile(r".*\.index\.json|delta\.json")
TEMPLATES = "additional_chat_templates"

Maker = Callable[[str], Tensor]
"""Tensor name to what is to be stored under it."""
Spec = tuple[str, torch.dtype, tuple[int, ...]]
"""Name, type and shape of a stored tensor."""


@dataclass(frozen=True)
class WeightFile:
    """The layout of a weight file: its header, and its size in bytes. ``offsets`` has the first
    byte of each tensor, from the start of the file."""

    name: str
    header: bytes
    offsets: dict[str, int]
    size: int

    def begin(self, folder: Path) -> None:
        """Makes the file: its header, and zeros where tensors go."""
        (folder / self.name).write_bytes(self.header)
        os.truncate(folder / self.name, self.size)


def lay_out(name: str, specs: Sequence[Spec]) -> WeightFile:
    """Returns the layout of a safetensors file that holds the given tensors. Wider types come
    first, as the library does it, so that each is aligned to its own size."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for spec in sorted(specs, key=lambda spec: (-spec[1].itemsize, spec[0])):
        tensor, dtype, shape = spec
        first, end = end, end + spec_bytes(spec)
        facts = {"dtype": DTYPE_NAMES[dtype], "shape": list(shape), "data_offsets": [first, end]}
        entries[tensor] = facts
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    header = struct.pack("<Q", len(text)) + text
    offsets = {one: len(header) + entries[one]["data_offsets"][0] for one, _, _ in specs}
    return WeightFile(name, header, offsets, len(header) + end)


def spec_bytes(spec: Spec) -> int:
    """Returns the bytes of a stored tensor."""
    _, dtype, shape = spec
    return math.prod(shape) * int(dtype.itemsize)


def write_index(folder: Path, files: Sequence[WeightFile]) -> None:
    """Writes the index of several shards, or of one whose name says that there are more."""
    if [file.name for file in files] != [SINGLE]:
        total = sum(file.size - len(file.header) for file in files)
        weight_map = {name: file.name for file in files for name in file.offsets}
        write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": weight_map})


def write_shards(
    source: Checkpoint, dtypes: Mapping[str, torch.dtype], make: Maker, folder: Path
) -> dict[str, str]:
    """Writes new tensors in the shards of a checkpoint; returns the SHA-256 of each one's bytes.
    Names, shapes and files are those of ``source``, types those of ``dtypes``. The folder
    exists."""
    held: dict[str, list[Spec]] = {}
    for name, entry in source.entries.items():
        held.setdefault(shard_name(entry.file.name), []).append((name, dtypes[name], entry.shape))
    files = [lay_out(name, specs) for name, specs in held.items()]
    hashes: dict[str, str] = {}
    for file in files:
        file.begin(folder)
        with open(folder / file.name, "rb+") as stream:
            for name in sorted(file.offsets, key=file.offsets.__getitem__):
                data = tensor_bytes(make(name))
                hashes[name] = hashlib.sha256(data).hexdigest()
                stream.seek(file.offsets[name])
                stream.write(data)
    write_index(folder, files)
    return hashes


def shard_name(name: str) -> str:
    """Returns the safetensors name of a weight file: ``pytorch_model-…bin`` changes both ends."""
    stem = name.removesuffix(".bin").removesuffix(".safetensors")
    return f"{re.sub('^pytorch_model', 'model', stem)}.safetensors"


def tensor_hash(tensor: Tensor) -> str:
    """Returns the SHA-256 of a tensor's bytes."""
    return hashlib.sha256(tensor_bytes(tensor)).hexdigest()


def tensor_bytes(tensor: Tensor) -> memoryview:
    """Returns a tensor's bytes, row by row."""
    return memoryview(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())


def copy_companions(source: Path, folder: Path) -> None:
    """Copies what stands beside the weights: no code, no index, no manifest of a delta. A
    generation config is copied without what it says of decoding (``decoding_defaults``)."""
    for file in sorted(source.iterdir()):
        wanted = file.suffix in COMPANIONS and not NOT_COPIED.fullmatch(file.name)
        if wanted and file.is_file():
            shutil.copyfile(file, folder / file.name)
            if file.name == decoding_defaults.FILE:
                kept, aside = decoding_defaults.divided(read_json(file))
                if aside:
                    write_json(folder / file.name, kept)
    if (source / TEMPLATES).is_dir():
        shutil.copytree(source / TEMPLATES, folder / TEMPLATES, dirs_exist_ok=True)
