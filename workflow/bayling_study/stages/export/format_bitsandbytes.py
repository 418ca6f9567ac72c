"""Format ``bitsandbytes``: LLM.int8, which transformers loads by itself.

Why not torchao: both reload bit for bit on a CPU with the locked versions. bitsandbytes' files
are plain safetensors in every transformers version (torchao weight-only needed pickled ``.bin``
files with transformers 4), the same for CPU and GPU, without a change of the model's code, and
three plain tensors a layer, so that they can be written tensor by tensor. torchao is a little
more accurate (LLM.int8 has one scale for a whole row and also rounds activations).

Serialised form of a layer ``X``: ``X.weight`` (int8, ``(out, in)``), ``X.SCB`` (fp32, the largest
magnitude of each row; weight = int8 × SCB / 127) and ``X.weight_format`` (uint8 0: row-major). The
library's own function quantises the rows in fp16, so the bytes are those of loading the original
with ``load_in_8bit`` and saving it. As there, the output layer and the embeddings stay as they are.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from bitsandbytes.functional import int8_vectorwise_quant
from torch import Tensor
from transformers import BitsAndBytesConfig
from transformers.quantizers.base import get_keys_to_not_convert
from transformers.quantizers.quantizers_utils import should_convert_module

from bayling_study.core.errors import StudyError
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.shards import Spec, WeightFile, write_index
from bayling_study.shared.quantised.groupwise import LEVELS
from bayling_study.stages.export.encoding import Block
from bayling_study.stages.export.plan import SafetensorsFormat

CARD = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


class BitsAndBytesFormat(SafetensorsFormat):
    """Plans, encodes and describes an LLM.int8 export."""

    def __init__(self, checkpoint: Checkpoint, precision: str, limit: int) -> None:
        super().__init__(checkpoint, precision, limit)
        skipped = get_keys_to_not_convert(checkpoint.model)
        layers = {name: name.removesuffix(".weight") for name in self.quantised}
        self.quantised = [n for n, one in layers.items() if should_convert_module(one, skipped)]

    def parts(self, name: str, shape: tuple[int, ...]) -> list[Spec]:
        """Returns scales, values and the mark of a layer's layout."""
        layer = name.removesuffix("weight")
        scales, mark = layer + "SCB", layer + "weight_format"
        values = (name, torch.int8, shape)
        return [(scales, torch.float32, shape[:1]), values, (mark, torch.uint8, ())]

    def codec(self, rows: Tensor) -> Block:
        """Encodes rows by the library's own function."""
        levels, largest, _ = int8_vectorwise_quant(rows.half())
        if not bool(torch.isfinite(largest).all()):
            raise StudyError("weights beyond fp16 cannot go to LLM.int8", fix="format: groupwise")
        # A row of zeros divides by zero in the library; what a NaN becomes in int8 is undefined.
        levels[largest == 0] = 0
        return Block((largest, levels), levels.float() * (largest / LEVELS).unsqueeze(1), levels)

    def finish(self, folder: Path, files: Sequence[WeightFile]) -> str:
        """Amends the config and writes the index; returns the card."""
        quantisation = BitsAndBytesConfig(load_in_8bit=True).to_dict()
        self.amend_config(folder, quantization_config=quantisation)
        write_index(folder, files)
        return CARD
