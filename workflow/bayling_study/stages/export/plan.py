"""What an 8-bit format must know of a checkpoint, and the shards that it is laid out in."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from bayling_study.core.files import read_json, write_json
from bayling_study.shared.checkpoints.reading import Checkpoint
from bayling_study.shared.checkpoints.shards import Spec, WeightFile, lay_out, spec_bytes
from bayling_study.stages.export import encoding


@dataclass(frozen=True)
class Shard:
    """A weight file's layout, and the tensors of the checkpoint that go into it. ``sources`` has
    for each tensor the names of its stored parts, in reading order."""

    file: WeightFile
    sources: dict[str, list[str]]


class Format(Protocol):
    """An 8-bit format: how tensors are laid out, encoded and described."""

    def plan(self) -> list[Shard]:
        """Returns where everything goes."""

    def encode(self, name: str, value: Tensor, put: encoding.Put) -> encoding.TensorError:
        """Encodes one tensor of the checkpoint, its parts numbered as in the plan."""

    def finish(self, folder: Path, files: Sequence[WeightFile]) -> str:
        """Completes what is beside the weight files; returns the card, from its title on."""


class SafetensorsFormat(ABC):
    """What formats in safetensors share: linear layers go to 8 bits, everything else is kept.
    ``precision`` is that of wider floats that are kept (``kept_dtype``), ``limit`` the most tensor
    bytes of a shard of several tensors."""

    stem = "model"
    """Start of the weight files' names."""

    def __init__(self, checkpoint: Checkpoint, precision: str, limit: int) -> None:
        self.checkpoint, self.precision, self.limit = checkpoint, precision, limit
        parts = checkpoint.model.named_modules()
        linear = (f"{name}.weight" for name, part in parts if isinstance(part, nn.Linear))
        self.quantised = [name for name in linear if name in checkpoint.entries]

    def plan(self) -> list[Shard]:
        """Returns the shards, tensors in the order of the checkpoint's files."""
        chosen = frozenset(self.quantised)
        groups: list[dict[str, list[Spec]]] = [{}]
        used = 0
        for name, entry in self.checkpoint.entries.items():
            kept = [(name, encoding.kept_dtype(entry.dtype, self.precision), entry.shape)]
            specs = self.parts(name, entry.shape) if name in chosen else kept
            size = sum(map(spec_bytes, specs))
            if groups[-1] and used + size > self.limit:
                groups.append({})
                used = 0
            groups[-1][name] = specs
            used += size
        shards = []
        for number, group in enumerate(groups, start=1):
            suffix = "" if len(groups) == 1 else f"-{number:05d}-of-{len(groups):05d}"
            specs = [spec for parts in group.values() for spec in parts]
            names = {source: [name for name, _, _ in parts] for source, parts in group.items()}
            shards.append(Shard(lay_out(f"{self.stem}{suffix}.safetensors", specs), names))
        return shards

    def encode(self, name: str, value: Tensor, put: encoding.Put) -> encoding.TensorError:
        """Quantises a linear layer's weight; keeps everything else."""
        if name in self.quantised:
            return encoding.encode_matrix(name, value, self.codec, put)
        dtype = encoding.kept_dtype(value.dtype, self.precision)
        return encoding.encode_kept(name, value, dtype, put)

    def amend_config(self, folder: Path, **values: Any) -> None:
        """Sets keys of the copied ``config.json``, and the precision of most kept tensors."""
        config = read_json(folder / "config.json")
        config.pop("torch_dtype", None)
        dtypes = [entry.dtype for entry in self.checkpoint.entries.values()]
        floats = [dtype for dtype in dtypes if dtype.is_floating_point]
        kept = [encoding.kept_dtype(dtype, self.precision) for dtype in floats]
        most = str(max(set(kept), key=kept.count)).removeprefix("torch.")
        config |= {"dtype": most, **values}
        write_json(folder / "config.json", config)

    @abstractmethod
    def parts(self, name: str, shape: tuple[int, ...]) -> list[Spec]:
        """Returns the stored tensors of a quantised matrix: ``codec``'s, then any that are zero."""

    @abstractmethod
    def codec(self, rows: Tensor) -> encoding.Block:
        """Encodes rows of a matrix, in fp32; its tensors are in the order of ``parts``."""
