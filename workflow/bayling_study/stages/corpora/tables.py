"""Rows of any number in little memory: written to Parquet in batches, and found repeated. Each row
leaves a 128-bit key in one of many scratch files, by the key's first byte. Equal keys lie in the
same file; one file at a time is sorted, and all rows of a key but the first are repeated. What
stays in memory is one byte a row. The same rows give the same bytes."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TableRow = tuple[Any, ...]

BATCH_ROWS = 16_384  # rows held at a time, and rows of a Parquet row group
BUCKETS = 256  # as many as a byte has values
BUFFER = 256  # entries that are held for each file
KEY_BYTES = 16  # two of 50 million rows have the same key with odds of 1 to 10^23
ENTRY = np.dtype([("key", f"S{KEY_BYTES}"), ("row", "<u8")])


def tables(rows: Iterable[TableRow], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yields rows, whose values stand in the schema's order, as tables."""
    left = iter(rows)
    while batch := list(islice(left, BATCH_ROWS)):
        columns = zip(*batch, strict=True)
        arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
        yield pa.Table.from_arrays(arrays, schema=schema)


def write_tables(path: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Writes tables as they come, a row group for each batch of their rows."""
    left = schema.empty_table()
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            left = pa.concat_tables([left, part])
            while len(left) >= BATCH_ROWS:
                writer.write_table(left.slice(0, BATCH_ROWS).combine_chunks())
                left = left.slice(BATCH_ROWS)
        if len(left):
            writer.write_table(left.combine_chunks())


def key_of(*parts: str, size: int = KEY_BYTES) -> bytes:
    """Returns the key of a row's texts."""
    return blake2b("\0".join(parts).encode(), digest_size=size).digest()


class Repeats:
    """Collects rows' keys in a new scratch folder, then tells which rows are repeated."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._files = [folder / f"{number:03d}.keys" for number in range(BUCKETS)]
        self._waiting: list[list[tuple[bytes, int]]] = [[] for _ in range(BUCKETS)]
        self._rows = 0

    def add(self, key: bytes) -> None:
        """Adds the next row's key."""
        waiting = self._waiting[key[0]]
        waiting.append((key, self._rows))
        self._rows += 1
        if len(waiting) >= BUFFER:
            self._write(key[0])

    def _write(self, bucket: int) -> None:
        with open(self._files[bucket], "ab") as stream:
            stream.write(np.array(self._waiting[bucket], dtype=ENTRY).tobytes())
        self._waiting[bucket].clear()

    def find(self) -> np.ndarray:
        """Returns for each row whether it repeats an earlier one."""
        repeated = np.zeros(self._rows, dtype=bool)
        for bucket, file in enumerate(self._files):
            self._write(bucket)
            entries = np.fromfile(file, dtype=ENTRY)
            order = np.argsort(entries["key"], kind="stable")  # rows of a key stay in order
            keys = entries["key"][order]
            repeated[entries["row"][order][1:][keys[1:] == keys[:-1]]] = True
            file.unlink()
        return repeated


def distinct(
    rows: Iterable[tuple[TableRow, tuple[str, ...]]],
    schema: pa.Schema,
    folder: Path,
    repeated: Callable[[int, dict[str, Any]], None],
) -> Iterator[pa.Table]:
    """Reads all rows, and returns the first of each key (the texts beside it), in their order. The
    scratch folder is made, and removed behind the last row. ``repeated`` is given each row that is
    left out, with its number from 0 among all."""
    keys = Repeats(folder)
    scratch = folder / "rows.parquet"

    def noted() -> Iterator[TableRow]:
        for row, texts in rows:
            keys.add(key_of(*texts))
            yield row

    def firsts() -> Iterator[pa.Table]:
        start = 0
        with pq.ParquetFile(scratch) as file:
            for group in range(file.num_row_groups):  # iterating would fetch all ahead
                part = file.read_row_group(group)
                again = np.flatnonzero(is_repeated[start : start + len(part)])
                for number, row in zip(again.tolist(), part.take(again).to_pylist(), strict=True):
                    repeated(start + number, row)
                yield part.filter(~is_repeated[start : start + len(part)])
                start += len(part)
        shutil.rmtree(folder)

    write_tables(scratch, schema, tables(noted(), schema))
    is_repeated = keys.find()
    return firsts()
