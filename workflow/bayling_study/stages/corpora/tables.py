"""Writes and reads Parquet in small batches, with the same bytes for the same rows."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TableRow = dict[str, Any]

BATCH_ROWS = 16_384
"""Rows held at a time, and rows of a Parquet row group."""


def write_rows(path: Path, schema: pa.Schema, rows: Iterable[TableRow]) -> None:
    """Writes rows as they come, a row group for each batch."""
    left = iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(left, BATCH_ROWS)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def read_rows(path: Path) -> Iterator[TableRow]:
    """Yields the rows of a file in its order, one batch in memory."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            yield from batch.to_pylist()
