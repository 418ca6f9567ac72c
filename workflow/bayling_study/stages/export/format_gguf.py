"""Format ``gguf``: Q8_0 for llama.cpp and everything built on it, in one file.

Matrices become Q8_0 (32 columns share one fp16 scale; rows whose width is no multiple of 32 stay
fp16), vectors fp32. llama.cpp rotates neighbouring columns where transformers rotates the two
halves of a head, so the rows of the query and key projections are permuted.
The package ``gguf`` (llama.cpp's own) makes header, names and blocks.
"""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gguf
import torch
from gguf import GGMLQuantizationType as Kind
from torch import Tensor

from bayling_study.core.errors import StudyError
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.shards import WeightFile
from bayling_study.stages.export.encoding import Block, Put, TensorError, encode_kept, encode_matrix
from bayling_study.stages.export.gguf_tokenizer import add_tokenizer
from bayling_study.stages.export.plan import Shard

ARCHITECTURE = "llama"
FILE = "model-q8_0.gguf"
BLOCK, BLOCK_BYTES = gguf.GGML_QUANT_SIZES[Kind.Q8_0]
ALIGNMENT = gguf.GGUF_DEFAULT_ALIGNMENT
SCALE_BYTES = 2
CARD = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")


class GgufFormat:
    """Plans, encodes and describes a GGUF export of a Llama model."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.config = checkpoint.model.config
        unable = ""
        if self.config.model_type != ARCHITECTURE:
            unable = f"knows the architecture 'llama', not {self.config.model_type!r}"
        elif (scaling := self.config.rope_parameters.get("rope_type", "default")) != "default":
            unable = f"does not know rope scaling {scaling!r}"
        if unable:
            where = checkpoint.folder / "config.json"
            raise StudyError(f"GGUF export {unable}", where=where, fix="format: groupwise")
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, self.config.num_hidden_layers)
        suffixes = ".weight", ".bias"
        self._names = {name: names.get_name(name, suffixes) for name in checkpoint.entries}
        if unknown := [name for name, found in self._names.items() if found is None]:
            raise StudyError(f"GGUF has no name for {unknown[0]!r}", where=checkpoint.folder)

    def plan(self) -> list[Shard]:
        """Returns the one file: header, key values, tensor table, aligned tensors."""
        writer = gguf.GGUFWriter(None, ARCHITECTURE)
        self._add_facts(writer)
        add_tokenizer(writer, self.checkpoint.folder, self.config.vocab_size)
        for name, entry in self.checkpoint.entries.items():
            size, kind = _nbytes(entry.shape), _kind(entry.shape)
            writer.add_tensor_info(self._names[name], entry.shape, torch.float32, size, kind)
        header = _header(writer)
        offsets, end = {}, len(header)
        for name, entry in self.checkpoint.entries.items():
            offsets[name] = end
            end += int(gguf.GGUFWriter.ggml_pad(_nbytes(entry.shape), ALIGNMENT))
        return [Shard(WeightFile(FILE, header, offsets, end), {name: [name] for name in offsets})]

    def _add_facts(self, writer: Any) -> None:
        config = self.config
        writer.add_name(self.checkpoint.folder.name)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_block_count(config.num_hidden_layers)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(config.num_attention_heads)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_vocab_size(config.vocab_size)

    def encode(self, name: str, value: Tensor, put: Put) -> TensorError:
        """Permutes query and key rows, then quantises matrices and widens vectors."""
        value = self._permuted(name, value)
        kind = _kind(tuple(value.shape))
        if kind is Kind.Q8_0:
            return encode_matrix(name, value, _codec, put)
        return encode_kept(name, value, torch.float16 if kind is Kind.F16 else torch.float32, put)

    def _permuted(self, name: str, value: Tensor) -> Tensor:
        """Interleaves the two halves of each head: row ``(h, half, i)`` to ``(h, i, half)``."""
        config = self.config
        counts = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        if (heads := counts.get(name.split(".")[-2])) is None:
            return value
        return value.reshape(heads, 2, -1, *value.shape[1:]).transpose(1, 2).reshape(value.shape)

    def finish(self, folder: Path, files: Sequence[WeightFile]) -> str:
        """Returns the card; config and tokenizer are there for those who load with transformers."""
        return CARD


def _kind(shape: tuple[int, ...]) -> Kind:
    if len(shape) < 2:
        return Kind.F32
    return Kind.Q8_0 if shape[-1] % BLOCK == 0 else Kind.F16


def _nbytes(shape: tuple[int, ...]) -> int:
    values = math.prod(shape)
    per_block, bytes_per_block = gguf.GGML_QUANT_SIZES[_kind(shape)]
    return values // int(per_block) * int(bytes_per_block)


def _header(writer: Any) -> bytes:
    """Returns everything before the first tensor, padded to the file's alignment."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        writer.close()
        header = path.read_bytes()
    return header + bytes(-len(header) % ALIGNMENT)


def _codec(block: Tensor) -> Block:
    packed = gguf.quantize(block.numpy(), Kind.Q8_0)
    rebuilt = torch.from_numpy(gguf.dequantize(packed, Kind.Q8_0))
    groups = torch.from_numpy(packed).reshape(len(block), -1, BLOCK_BYTES)
    levels = groups[:, :, SCALE_BYTES:].contiguous().view(torch.int8)
    return Block((torch.from_numpy(packed),), rebuilt, levels)
