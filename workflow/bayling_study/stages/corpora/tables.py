"""Rows of any number in little memory: written to Parquet in batches, and found repeated. Each row
leaves a 64-bit key in one of many scratch files, by the key's last bits. Equal keys lie in the same
file; one file at a time is sorted, and all rows of a key but the first are repeated. What stays in
memory is one byte a row. The same rows give the same bytes."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TableRow = dict[str, Any]

BATCH_ROWS = 16_384  # rows held at a time, and rows of a Parquet row group
BUCKETS = 64
BUFFER = 1024  # entries that are held for each file
ENTRY = np.dtype([("key", "<u8"), ("row", "<u8")])


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[TableRow]) -> None:
    """Writes rows as they come, a row group for each batch."""
    left = iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(left, BATCH_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def read_rows(path: Path) -> Iterator[TableRow]:
    """Yields the rows of a file of ``write_rows`` in its order, one batch in memory."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS):
            yield from batch.to_pylist()


def key_of(*parts: str) -> int:
    """Returns the key of a row's texts; two of 50 million differ with odds of 1 in 10,000."""
    text = "\0".join(parts).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


class Repeats:
    """Collects rows' keys in a new scratch folder, then tells which rows are repeated."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._files = [folder / f"{number:02d}.keys" for number in range(BUCKETS)]
        self._waiting: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self._rows = 0

    def add(self, key: int) -> None:
        """Adds the next row's key."""
        waiting = self._waiting[key % BUCKETS]
        waiting.append((key, self._rows))
        self._rows += 1
        if len(waiting) >= BUFFER:
            self._write(key % BUCKETS)

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
    repeated: Callable[[int, TableRow], None],
) -> Iterator[TableRow]:
    """Reads all rows, and returns the first of each key (the texts beside it), in their order. The
    scratch folder is made, and removed behind the last row. ``repeated`` is given each row that is
    left out, with its number from 0 among all."""
    keys = Repeats(folder)
    scratch = folder / "rows.parquet"

    def noted() -> Iterator[TableRow]:
        for row, texts in rows:
            keys.add(key_of(*texts))
            yield row

    def firsts() -> Iterator[TableRow]:
        for number, row in enumerate(read_rows(scratch)):
            if again[number]:
                repeated(number, row)
            else:
                yield row
        shutil.rmtree(folder)

    write_rows(scratch, schema, noted())
    again = keys.find()
    return firsts()
