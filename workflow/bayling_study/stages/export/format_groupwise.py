"""Format ``groupwise``: the paper's scheme in plain safetensors (see ``quantised.layout``).

All linear layers go to 8 bits, the output layer included; embeddings and norms
are kept. An output layer that is tied to the embedding *is* the embedding: it
stays in 16 bits, once. (Quantising it as well, as the authors' load-time
switch does, would store those values twice and add half the embedding's size.)
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from bayling_study.core.files import sha256_file
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.shards import Spec, WeightFile, copy_companions
from bayling_study.shared.checkpoints.skeleton import linear_weights
from bayling_study.shared.quantised.groupwise import dequantise, group_count, quantise
from bayling_study.shared.quantised.layout import INT8, SCALE, Quantisation
from bayling_study.stages.export.companions import amend_config, write_card
from bayling_study.stages.export.encoding import (
    Block,
    Encoded,
    encode_kept,
    encode_matrix,
    kept_dtype,
)
from bayling_study.stages.export.plan import Shard, safetensors_plan

CARD = """
8-bit weights in groups of {group} input columns with one fp32 step each:
weight = int8 × scale. Layout and loader: `bayling_study.shared.quantised`.

    from bayling_study.shared.quantised import load
    model = load(Path("."), torch.bfloat16, "streamed")

`error.json` holds the rounding error of each tensor.
"""


class GroupwiseFormat:
    """Plans, encodes and describes a groupwise export."""

    def __init__(self, checkpoint: Checkpoint, group: int, precision: str, limit: int) -> None:
        self.checkpoint = checkpoint
        self.group = group
        self.precision = precision
        self.limit = limit
        stored = set(checkpoint.entries)
        self.quantised = [name for name in linear_weights(checkpoint.model) if name in stored]
        self._quantised = frozenset(self.quantised)

    def plan(self) -> list[Shard]:
        """Returns the shards, tensors in the order of the checkpoint's files."""
        sources = [(name, self._specs(name)) for name in self.checkpoint.entries]
        return safetensors_plan(sources, "groupwise", self.limit)

    def _specs(self, name: str) -> list[Spec]:
        entry = self.checkpoint.entries[name]
        if name not in self._quantised:
            return [(name, kept_dtype(entry.dtype, self.precision), entry.shape)]
        rows, columns = entry.shape
        return [
            (name + SCALE, torch.float32, (rows, group_count(columns, self.group))),
            (name + INT8, torch.int8, (rows, columns)),
        ]

    def encode(self, name: str, value: Tensor) -> Encoded:
        """Quantises a linear layer's weight; keeps everything else."""
        if name in self._quantised:
            return encode_matrix(name, value, self._codec)
        return encode_kept(name, value, kept_dtype(value.dtype, self.precision))

    def _codec(self, block: Tensor) -> Block:
        levels, scale = quantise(block, self.group)
        rebuilt = dequantise(levels, scale, self.group, torch.float32)
        return Block((scale, levels), rebuilt, levels)

    def finish(self, folder: Path, files: Sequence[WeightFile]) -> None:
        """Writes ``quantization.json`` and copies config and tokenizer."""
        copy_companions(self.checkpoint.folder, folder)
        amend_config(self.checkpoint, folder, self.precision, {})
        facts = {
            file.name: {"bytes": file.size, "sha256": sha256_file(folder / file.name)}
            for file in files
        }
        Quantisation(self.group, self.quantised, self.checkpoint.tied, facts).write(folder)
        write_card(folder, "8-bit weights (groupwise)", CARD.format(group=self.group))
