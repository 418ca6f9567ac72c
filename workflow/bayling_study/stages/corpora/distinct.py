"""Writes a table without its repeated rows, in memory that does not grow with them.

Two passes: rows go to a scratch file while their keys are collected (``repeats``);
then the scratch file is read back and all but the first row of each key are written.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.stages.corpora import tables
from bayling_study.stages.corpora.repeats import Repeats, key_of
from bayling_study.stages.corpora.tables import TableWriter

TableRow = dict[str, Any]


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
    with TableWriter(scratch, schema) as writer:
        for row, texts in rows:
            writer.add(row)
            keys.add(key_of(*texts))
    again = keys.find()
    with TableWriter(path, schema) as writer, pq.ParquetFile(scratch) as file:
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
