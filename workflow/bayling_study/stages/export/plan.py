"""Where every output byte goes, decided before the first one is written.

Shapes are known from the input's headers, so all headers, offsets and file
sizes are known too. Tensors can then be written in any order and an
interrupted export goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from bayling_study.shared.checkpoints.tensorfile import build_header
from bayling_study.stages.export.encoding import Encoded

Spec = tuple[str, torch.dtype, tuple[int, ...]]
"""Name, type and shape of a stored tensor."""


@dataclass(frozen=True)
class Piece:
    """A run of bytes in an output file."""

    file: str
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Task:
    """One tensor of the checkpoint and the pieces it becomes."""

    source: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class OutputFile:
    """A weight file: what opens it and how long it will be."""

    name: str
    header: bytes
    size: int


@dataclass(frozen=True)
class Plan:
    """All weight files and what is written into them."""

    files: list[OutputFile]
    tasks: list[Task]

    @property
    def nbytes(self) -> int:
        """Returns the bytes of all weight files."""
        return sum(file.size for file in self.files)

    def fingerprint(self) -> str:
        """Returns a hash of the headers, which name every tensor and its place."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(f"{file.name}\0{file.size}\0".encode() + file.header)
        return digest.hexdigest()


class Format(Protocol):
    """An 8-bit format: how tensors are laid out, encoded and described."""

    def plan(self) -> Plan:
        """Returns where everything goes."""

    def encode(self, name: str, value: Tensor) -> Encoded:
        """Encodes one tensor of the checkpoint."""

    def finish(self, folder: Path, hashes: dict[str, str]) -> None:
        """Writes what stands beside the weights; ``hashes`` are those of the weight files."""


def safetensors_plan(
    sources: Iterable[tuple[str, Sequence[Spec]]], stem: str, limit: int
) -> tuple[Plan, dict[str, str]]:
    """Lays tensors out in safetensors shards of at most ``limit`` bytes (or one tensor).

    Args:
        sources: each source tensor with the tensors it becomes, in reading order.
        stem: start of the file names.
        limit: largest number of tensor bytes in a shard.

    Returns:
        The plan, and the file of each stored tensor.
    """
    shards = _fill_shards(sources, limit)
    files: list[OutputFile] = []
    tasks: list[Task] = []
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        suffix = "" if len(shards) == 1 else f"-{number:05d}-of-{len(shards):05d}"
        name = f"{stem}{suffix}.safetensors"
        specs = [spec for _, group in shard for spec in group]
        header, offsets = build_header(specs, {"format": "pt"})
        files.append(OutputFile(name, header, len(header) + sum(map(_size, specs))))
        for source, group in shard:
            pieces = tuple(Piece(name, offsets[spec[0]], _size(spec)) for spec in group)
            tasks.append(Task(source, pieces))
        weight_map |= {spec[0]: name for spec in specs}
    return Plan(files, tasks), weight_map


def _fill_shards(
    sources: Iterable[tuple[str, Sequence[Spec]]], limit: int
) -> list[list[tuple[str, Sequence[Spec]]]]:
    shards: list[list[tuple[str, Sequence[Spec]]]] = [[]]
    used = 0
    for source, specs in sources:
        size = sum(map(_size, specs))
        if shards[-1] and used + size > limit:
            shards.append([])
            used = 0
        shards[-1].append((source, specs))
        used += size
    return shards


def _size(spec: Spec) -> int:
    _, dtype, shape = spec
    return math.prod(shape) * int(dtype.itemsize)
