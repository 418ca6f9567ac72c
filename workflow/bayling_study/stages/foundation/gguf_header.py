"""Reads a GGUF file's header with every length checked before it is believed. The conversion
libraries trust the counts and lengths in a header; a damaged or hostile file would make them
allocate without bound or read past the end. Format: the GGUF specification of the ggml project,
versions 2 and 3, little-endian."""

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from bayling_study.core.errors import StudyError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_HEADER_BYTES = 256 << 20
MAX_METADATA = 10_000
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 4
MAX_STRING_BYTES = 16 << 20
MAX_ARRAY_DEPTH = 2

SCALARS = dict(zip((*range(8), 10, 11, 12), "BbHhIif?Qqd", strict=True))
"""Number of a value's type to its ``struct`` code, from the specification."""
STRING, ARRAY = 8, 9


@dataclass(frozen=True)
class GgufHeader:
    """What the header says: scalars, strings and lists by key, and each tensor's dimensions. Those
    are as GGUF stores them, the fastest first."""

    metadata: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]


def read_header(path: Path) -> GgufHeader:
    """Reads and checks the header of a GGUF file (``StudyError`` if the file is not GGUF, is cut
    off, or holds an impossible length)."""
    size = path.stat().st_size
    with open(path, "rb") as stream:
        reader = _Reader(stream, path, min(size, MAX_HEADER_BYTES))
        reader.expect(reader.take(4) == MAGIC, "it does not start with 'GGUF'")
        version, tensors, pairs = reader.unpack("<IQQ")
        reader.expect(version in VERSIONS, f"version {version} is not one of {VERSIONS}")
        reader.expect(tensors <= MAX_TENSORS, f"it claims {tensors} tensors")
        reader.expect(pairs <= MAX_METADATA, f"it claims {pairs} metadata entries")
        metadata = dict(reader.pair() for _ in range(pairs))
        shapes = dict(reader.tensor(size) for _ in range(tensors))
        reader.expect(len(metadata) == pairs, "a metadata key occurs twice")
        reader.expect(len(shapes) == tensors, "a tensor name occurs twice")
    return GgufHeader(metadata, shapes)


@dataclass
class _Reader:
    """A cursor that reads no more than what is ``left``, in bytes."""

    stream: IO[bytes]
    path: Path
    left: int

    def expect(self, condition: bool, reason: str) -> None:
        if not condition:
            fix = "remove the download's folder and fetch it again"
            raise StudyError(f"not a usable GGUF file: {reason}", where=self.path, fix=fix)

    def take(self, count: int) -> bytes:
        self.expect(count <= self.left, f"a length of {count} bytes exceeds the header's limit")
        self.left -= count
        data = self.stream.read(count)
        self.expect(len(data) == count, "it is cut off")
        return data

    def unpack(self, code: str) -> tuple[Any, ...]:
        return struct.unpack(code, self.take(struct.calcsize(code)))

    def number(self, code: str) -> Any:
        return self.unpack(f"<{code}")[0]

    def string(self) -> str:
        length = self.number("Q")
        self.expect(length <= MAX_STRING_BYTES, f"a string claims {length} bytes")
        data = self.take(length)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.expect(False, "a string is not UTF-8")
            raise

    def value(self, kind: int, depth: int = 0) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            self.expect(depth < MAX_ARRAY_DEPTH, "arrays are nested too deeply")
            kind, length = self.unpack("<IQ")
            # Every element takes at least one byte, so a true length fits into what is left.
            self.expect(length <= self.left, f"an array claims {length} elements")
            if code := SCALARS.get(kind):
                self.expect(length * struct.calcsize(code) <= self.left, "an array is cut off")
                return list(self.unpack(f"<{length}{code}"))
            return [self.value(kind, depth + 1) for _ in range(length)]
        self.expect(kind in SCALARS, f"unknown value type {kind}")
        return self.number(SCALARS[kind])

    def pair(self) -> tuple[str, Any]:
        return self.string(), self.value(self.number("I"))

    def tensor(self, file_size: int) -> tuple[str, tuple[int, ...]]:
        name = self.string()
        count = self.number("I")
        self.expect(1 <= count <= MAX_DIMENSIONS, f"tensor {name!r} has {count} dimensions")
        shape = self.unpack(f"<{count}Q")
        _, offset = self.unpack("<IQ")
        # The smallest GGUF type stores more than one bit per weight.
        self.expect(prod(shape) <= file_size * 8, f"tensor {name!r} is larger than the file")
        self.expect(offset < file_size, f"tensor {name!r} starts beyond the end of the file")
        return name, tuple(shape)
