"""Finds repeated rows of any number in little memory.

Each row leaves a 64-bit key in one of many scratch files, by the key's last
bits. Equal keys lie in the same file; one file at a time is sorted, and all
rows of a key but the first are repeated. What stays in memory is one bit a row.
``write_distinct`` writes a table without them in two passes, over a scratch file.
"""

import shutil
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.stages.corpora import tables

TableRow = dict[str, Any]

BUCKETS = 64
BUFFER = 1024
"""Entries that are held for each file."""
ENTRY = np.dtype([("key", "<u8"), ("row", "<u8")])


def key_of(*parts: str) -> int:
    """Returns the key of a row's texts; two of 50 million differ with odds of 1 in 10,000."""
    text = "\0".join(parts).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")


class Repeats:
    """Collects the rows' keys, then tells which rows are repeated.

    Args:
        folder: scratch folder to make; the caller removes it.
    """

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

    def find(self) -> "RepeatedRows":
        """Returns the repeated rows."""
        bits = np.zeros(self._rows // 8 + 1, dtype=np.uint8)
        for bucket, file in enumerate(self._files):
            self._write(bucket)
            entries = np.fromfile(file, dtype=ENTRY)
            order = np.argsort(entries["key"], kind="stable")  # rows of a key stay in order
            keys = entries["key"][order]
            rows = entries["row"][order][1:][keys[1:] == keys[:-1]]
            np.bitwise_or.at(bits, rows >> 3, (1 << (rows & 7)).astype(np.uint8))
            file.unlink()
        return RepeatedRows(bits)


class RepeatedRows:
    """Answers whether a row, by its number from 0, repeats an earlier one."""

    def __init__(self, bits: np.ndarray) -> None:
        self._bits = bits

    def __contains__(self, row: int) -> bool:
        return bool(self._bits[row >> 3] >> (row & 7) & 1)


def write_distinct(
    path: Path,
    schema: pa.Schema,
    rows: Iterable[tuple[TableRow, tuple[str, ...]]],
    kept: Callable[[int, TableRow], None] = lambda number, row: None,
    repeated: Callable[[int, TableRow], None] = lambda number, row: None,
) -> None:
    """Writes the first row of each key (the texts beside it), in their order.

    The Parquet file's folder also holds the scratch files. ``kept`` is given each row that
    is written, with its number from 0 among all; ``repeated`` each that is left out.
    """
    scratch = path.with_name(f".{path.name}.scratch")
    folder = path.with_name(f".{path.name}.keys")
    keys = Repeats(folder)
    with tables.TableWriter(scratch, schema) as writer:
        for row, texts in rows:
            writer.add(row)
            keys.add(key_of(*texts))
    again = keys.find()
    with tables.TableWriter(path, schema) as writer, pq.ParquetFile(scratch) as file:
        number = 0
        for batch in file.iter_batches(batch_size=tables.BATCH_ROWS):
            for row in batch.to_pylist():
                if number in again:
                    repeated(number, row)
                else:
                    kept(number, row)
                    writer.add(row)
                number += 1
    scratch.unlink()
    shutil.rmtree(folder)
