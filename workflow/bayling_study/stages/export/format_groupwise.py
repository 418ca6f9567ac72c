"""Format ``groupwise``: the paper's scheme in plain safetensors (see ``quantised.layout``). All
linear layers go to 8 bits, the output layer included. One that is tied to the embedding *is* the
embedding and stays in 16 bits, once. (Quantising it as well, as the authors' load-time switch does,
would store those values twice and add half the embedding's size.)"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from bayling_study.core.files import sha256_file
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.shards import Spec, WeightFile
from bayling_study.shared.quantised.groupwise import dequantise, group_count, quantise
from bayling_study.shared.quantised.layout import INT8, SCALE, Quantisation
from bayling_study.stages.export.encoding import Block
from bayling_study.stages.export.plan import SafetensorsFormat

CARD = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


class GroupwiseFormat(SafetensorsFormat):
    """Plans, encodes and describes an export with steps for ``group`` columns each."""

    stem = "groupwise"

    def __init__(self, checkpoint: Checkpoint, group: int, precision: str, limit: int) -> None:
        super().__init__(checkpoint, precision, limit)
        self.group = group

    def parts(self, name: str, shape: tuple[int, ...]) -> list[Spec]:
        """Returns steps and values."""
        steps = (shape[0], group_count(shape[1], self.group))
        return [(name + SCALE, torch.float32, steps), (name + INT8, torch.int8, shape)]

    def codec(self, rows: Tensor) -> Block:
        """Encodes rows, by ``quantised.groupwise``."""
        levels, scale = quantise(rows, self.group)
        return Block((scale, levels), dequantise(levels, scale, self.group, torch.float32), levels)

    def finish(self, folder: Path, files: Sequence[WeightFile]) -> str:
        """Amends the config and writes ``quantization.json``; returns the card."""
        self.amend_config(folder)
        facts = {
            file.name: {"bytes": file.size, "sha256": sha256_file(folder / file.name)}
            for file in files
        }
        tied = dict(self.checkpoint.model.all_tied_weights_keys)
        Quantisation(self.group, self.quantised, tied, facts).write(folder)
        return CARD.format(group=self.group)
