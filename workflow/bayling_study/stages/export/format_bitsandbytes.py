"""Format ``bitsandbytes``: LLM.int8, which transformers loads by itself.

Why bitsandbytes and not torchao. Both were tried with the locked versions on
CPU: both reload bit for bit. bitsandbytes is chosen because its files are
plain safetensors in every transformers version (torchao weight-only needed
pickled ``.bin`` files with transformers 4), the same file loads on CPU and on
GPU without a word about the layout of a kernel, it needs no change of the
model's code, and its serialised form is three plain tensors a layer, so that
it can be written tensor by tensor. torchao is a little more accurate (LLM.int8
has one scale for a whole row and also rounds activations while it runs).

Serialised form of a layer ``X``: ``X.weight`` (int8, ``(out, in)``), ``X.SCB``
(fp32, the largest magnitude of each row; weight = int8 × SCB / 127) and
``X.weight_format`` (uint8 0: row-major). The rows are quantised by the
library's own function in fp16, so the bytes are those that loading the
original with ``load_in_8bit`` and saving would give. As there, the output
layer and the embeddings stay as they are.
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
from bayling_study.shared.checkpoints.shards import (
    Spec,
    WeightFile,
    copy_companions,
    write_index,
)
from bayling_study.shared.checkpoints.skeleton import linear_weights
from bayling_study.shared.quantised.groupwise import LEVELS
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
LLM.int8 weights for transformers with bitsandbytes, on CPU or GPU:

    AutoModelForCausalLM.from_pretrained(".", device_map="auto")

Keep the precision of `config.json` when loading. `error.json` holds the
rounding error of each weight; LLM.int8 also rounds activations while it runs.
"""


class BitsAndBytesFormat:
    """Plans, encodes and describes an LLM.int8 export."""

    def __init__(self, checkpoint: Checkpoint, precision: str, limit: int) -> None:
        self.checkpoint = checkpoint
        self.precision = precision
        self.limit = limit
        skipped = get_keys_to_not_convert(checkpoint.model)
        self._quantised = frozenset(
            name
            for name in linear_weights(checkpoint.model)
            if name in checkpoint.entries
            and should_convert_module(name.removesuffix(".weight"), skipped)
        )

    def plan(self) -> list[Shard]:
        """Returns the shards, tensors in the order of the checkpoint's files."""
        sources = [(name, self._specs(name)) for name in self.checkpoint.entries]
        return safetensors_plan(sources, "model", self.limit)

    def _specs(self, name: str) -> list[Spec]:
        entry = self.checkpoint.entries[name]
        if name not in self._quantised:
            return [(name, kept_dtype(entry.dtype, self.precision), entry.shape)]
        layer = name.removesuffix("weight")
        return [
            (layer + "SCB", torch.float32, entry.shape[:1]),
            (name, torch.int8, entry.shape),
            (layer + "weight_format", torch.uint8, ()),
        ]

    def encode(self, name: str, value: Tensor) -> Encoded:
        """Quantises a linear layer's weight; keeps everything else."""
        if name not in self._quantised:
            return encode_kept(name, value, kept_dtype(value.dtype, self.precision))
        encoded = encode_matrix(name, value, _codec)
        return Encoded([*encoded.blobs, torch.zeros((), dtype=torch.uint8)], encoded.error)

    def finish(self, folder: Path, files: Sequence[WeightFile]) -> None:
        """Writes config and index, and copies the tokenizer."""
        copy_companions(self.checkpoint.folder, folder)
        quantisation = BitsAndBytesConfig(load_in_8bit=True).to_dict()
        values = {"quantization_config": quantisation}
        amend_config(self.checkpoint, folder, self.precision, values)
        write_index(folder, files)
        write_card(folder, "8-bit weights (LLM.int8)", CARD)


def _codec(block: Tensor) -> Block:
    half = block.half()
    if not bool(torch.isfinite(half).all()):
        raise StudyError("weights beyond fp16 cannot go to LLM.int8", fix="format: groupwise")
    levels, largest, _ = int8_vectorwise_quant(half)
    # A row of zeros divides by zero in the library; what a NaN becomes in int8 is undefined.
    levels[largest == 0] = 0
    rebuilt = levels.float() * (largest / LEVELS).unsqueeze(1)
    return Block((largest, levels), rebuilt, levels)
