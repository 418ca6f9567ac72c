"""Safetensors files, read one tensor at a time with plain file reads. The usual library maps the
whole file into memory; every page that was touched then counts as this process's memory until the
kernel wants it back. Exports promise a small resident set, so it only checks the header here, and
bytes are read into buffers."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bayling_study.core.errors import StudyError

LENGTH_BYTES = 8  # what opens a file: the header's length, little endian
BLOCK = 16 << 20  # bytes that are read at a time where a tensor need not be in memory whole
ALIGNMENT = 8
DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8},
    **{"U8": torch.uint8, "BOOL": torch.bool},
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor's bytes are: row-major, little endian, from ``offset`` of the file on."""

    file: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    offset: int

    @property
    def nbytes(self) -> int:
        """Returns the number of bytes."""
        return math.prod(self.shape) * int(self.dtype.itemsize)

    def read(self) -> Tensor:
        """Reads the tensor into memory of its own (``StudyError`` if the file is truncated)."""
        (values,) = self.blocks(self.nbytes) if self.nbytes else (torch.empty(0, dtype=self.dtype),)
        return values.reshape(self.shape)

    def blocks(self, size: int = BLOCK) -> Iterator[Tensor]:
        """Yields the values in blocks of ``size`` bytes, all in the same memory (``StudyError`` if
        the file is truncated)."""
        buffer = torch.empty(min(size, self.nbytes), dtype=torch.uint8)
        with open(self.file, "rb") as stream:
            stream.seek(self.offset)
            for start in range(0, self.nbytes, size):
                part = buffer[: self.nbytes - start]
                if stream.readinto(memoryview(part.numpy())) != part.nbytes:
                    what = "the file ends inside a tensor: it is truncated"
                    raise StudyError(what, where=self.file)
                yield part.view(self.dtype)


def read_header(file: Path) -> dict[str, StoredTensor]:
    """Reads where each tensor of a safetensors file is. The library checks that the header is whole
    and that the tensors follow each other without gap or overlap up to the file's end, so their
    sizes give their places (``StudyError``: the file is absent, no safetensors file, truncated or
    changed, or has a type that no model is stored in)."""
    entries: dict[str, StoredTensor] = {}
    try:
        with safe_open(file, "np") as stream, open(file, "rb") as plain:
            end = LENGTH_BYTES + struct.unpack("<Q", plain.read(LENGTH_BYTES))[0]
            for name in stream.offset_keys():
                part = stream.get_slice(name)
                dtype, shape = DTYPES[part.get_dtype()], tuple(part.get_shape())
                entries[name] = StoredTensor(file, dtype, shape, end)
                end += entries[name].nbytes
    except FileNotFoundError as error:
        raise StudyError("the shard does not exist", where=file) from error
    except SafetensorError as error:
        what = f"not a safetensors file, or truncated or changed ({error})"
        raise StudyError(what, where=file) from error
    except KeyError as error:
        raise StudyError(f"tensors of the type {error} are not read", where=file) from error
    return entries
