"""Safetensors files, read and written one tensor at a time with plain file reads.

The format: 8 bytes with the header's length (little endian), a JSON header
``{name: {dtype, shape, data_offsets}, "__metadata__": {str: str}}``, then the
tensors' bytes without gaps. The usual library maps the whole file into memory;
every page that was touched then counts as this process's memory until the
kernel wants it back. Exports promise a small resident set, so bytes are read
into buffers here, and the header is checked before anything else is believed.
"""

import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bayling_study.core.errors import StudyError

HEADER_LIMIT = 100_000_000
"""Largest header in bytes; the safetensors library's own limit."""
LENGTH_BYTES = 8
BLOCK = 16 << 20
"""Bytes that are read at a time where a tensor need not be in memory whole."""
ALIGNMENT = 8
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor's bytes are.

    Attributes:
        file: the file that holds them.
        dtype, shape: what they mean, row-major and little endian.
        offset: first byte, from the start of the file.
    """

    file: Path
    dtype: torch.dtype
    shape: tuple[int, ...]
    offset: int

    @property
    def nbytes(self) -> int:
        """Returns the number of bytes."""
        return math.prod(self.shape) * int(self.dtype.itemsize)

    def read(self) -> Tensor:
        """Reads the tensor into memory of its own.

        Raises:
            StudyError: the file ends before the tensor does.
        """
        buffer = torch.empty(self.nbytes, dtype=torch.uint8)
        with open(self.file, "rb", buffering=0) as stream:
            stream.seek(self.offset)
            _read_exactly(stream, memoryview(buffer.numpy()), self.file)
        return buffer.view(self.dtype).reshape(self.shape)

    def blocks(self) -> Iterator[Tensor]:
        """Yields the values in blocks, each in the same memory as the one before.

        Raises:
            StudyError: the file ends before the tensor does.
        """
        buffer = torch.empty(min(BLOCK, self.nbytes), dtype=torch.uint8)
        with open(self.file, "rb", buffering=0) as stream:
            stream.seek(self.offset)
            for start in range(0, self.nbytes, BLOCK):
                part = buffer[: self.nbytes - start]
                _read_exactly(stream, memoryview(part.numpy()), self.file)
                yield part.view(self.dtype)


def _read_exactly(stream: Any, view: memoryview, file: Path) -> None:
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])
        if not count:
            raise StudyError("the file ends inside a tensor: it is truncated", where=file)
        done += count


def read_header(file: Path) -> dict[str, StoredTensor]:
    """Reads where each tensor of a safetensors file is.

    Raises:
        StudyError: the file is absent, its header is too long, not JSON or
            contradicts itself, or its tensors do not fill the file exactly.
    """
    try:
        size = file.stat().st_size
        with open(file, "rb") as stream:
            header, start = _header(stream, size, file)
    except FileNotFoundError as error:
        raise StudyError("the shard does not exist", where=file) from error
    entries = {
        name: _stored_tensor(file, name, entry, start)
        for name, entry in header.items()
        if name != "__metadata__"
    }
    _check_cover(file, entries, start, size)
    return entries


def _header(stream: Any, size: int, file: Path) -> tuple[dict[str, Any], int]:
    prefix = stream.read(LENGTH_BYTES)
    length = struct.unpack("<Q", prefix)[0] if len(prefix) == LENGTH_BYTES else -1
    if not 2 <= length <= min(HEADER_LIMIT, size - LENGTH_BYTES):
        raise StudyError(
            f"not a safetensors file: header length {length}, file size {size}", where=file
        )
    try:
        header = json.loads(stream.read(length).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise StudyError("the safetensors header is not JSON", where=file) from error
    if not isinstance(header, dict):
        raise StudyError("the safetensors header is not a mapping", where=file)
    return header, LENGTH_BYTES + length


def _stored_tensor(file: Path, name: str, entry: Any, start: int) -> StoredTensor:
    try:
        first, last = entry["data_offsets"]
        shape = tuple(entry["shape"])
        dtype = DTYPES[entry["dtype"]]
        whole = all(type(number) is int and number >= 0 for number in (*shape, first, last))
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"the header's entry {name!r} cannot be read", where=file) from error
    stored = StoredTensor(file, dtype, shape, start + first) if whole else None
    if stored is None or last - first != stored.nbytes:
        raise StudyError(f"the header's entry {name!r} contradicts itself", where=file)
    return stored


def _check_cover(file: Path, entries: Mapping[str, StoredTensor], start: int, size: int) -> None:
    """The tensors must follow each other without gap or overlap up to the file's end."""
    end = start
    for entry in sorted(entries.values(), key=lambda item: (item.offset, item.nbytes)):
        if entry.offset != end:
            raise StudyError("the tensors overlap or leave a gap", where=file)
        end += entry.nbytes
    if end != size:
        raise StudyError(
            f"the file has {size} bytes, its header describes {end}: it is truncated or changed",
            where=file,
        )


def build_header(
    tensors: Sequence[tuple[str, torch.dtype, tuple[int, ...]]], metadata: Mapping[str, str]
) -> tuple[bytes, dict[str, int]]:
    """Lays out a safetensors file.

    Wider types come first, as the library writes them, so that every tensor is
    aligned to its own element size.

    Returns:
        The bytes that open the file, and each tensor's offset from the file's start.
    """
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    offsets: dict[str, int] = {}
    end = 0
    for name, dtype, shape in sorted(tensors, key=lambda item: (-item[1].itemsize, item[0])):
        size = math.prod(shape) * dtype.itemsize
        entries[name] = {
            "dtype": DTYPE_NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [end, end + size],
        }
        offsets[name] = end
        end += size
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    start = LENGTH_BYTES + len(text)
    return struct.pack("<Q", len(text)) + text, {
        name: start + offset for name, offset in offsets.items()
    }
