"""The final order: blocks are written apart, then shuffled together within bounded memory.

Each block's rows are sorted by a key, a hash of the conversation's text and the seed, and cut into
buckets of the key's range, a record batch each. The last pass reads one bucket of all blocks,
sorts it and writes it (an external bucket sort). So the order is random, the same for any number
of workers, and the same conversation twice stands side by side, whichever blocks made it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.stages.synthesis.types import SCHEMA, Instruction

BUCKET_ROWS = 32_768
"""Conversations of one bucket, about; one of 1,000 characters takes some 1.5 kB."""
GROUP_ROWS = 16_384  # rows of a row group of the result

COUNTS = [("key", pa.uint64()), ("tokens", pa.int32()), ("supervised", pa.int32())]
DRAWN = [("demands", pa.list_(pa.string())), ("instruction", pa.string())]
WORK = pa.schema([*SCHEMA, *COUNTS, *DRAWN])
"""Columns of a block: those of the training set, and what the audit counts."""


def write_block(path: Path, rows: Sequence[Instruction], buckets: int) -> None:
    """Writes a block as one record batch a bucket."""
    batch = pa.RecordBatch.from_pylist(list(map(vars, rows)), schema=WORK)
    keys = batch["key"].to_numpy()
    order = np.argsort(keys, kind="stable")
    batch, keys = batch.take(pa.array(order)), keys[order]
    step = -(-(1 << 64) // buckets)
    edges = [min(step * number, (1 << 64) - 1) for number in range(1, buckets)]
    cuts = [0, *np.searchsorted(keys, np.array(edges, np.uint64)).tolist(), len(keys)]
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_file(path, WORK, options=options) as writer:
        for start, end in pairwise(cuts):
            writer.write_batch(batch.slice(start, end - start))


def merge(
    blocks: Sequence[Path], out: Path, buckets: int, seen: Callable[[pa.Table, pa.Table], None]
) -> None:
    """Writes the training set in its final order, from blocks in theirs. ``seen`` is given each
    bucket's rows as written, with all columns of ``WORK``, and the rows left out because an earlier
    one has the same text."""

    def batch(path: Path, bucket: int) -> pa.RecordBatch:
        with pa.OSFile(str(path)) as file:
            return pa.ipc.open_file(file).get_batch(bucket)

    with pq.ParquetWriter(out, SCHEMA, compression="zstd") as writer:
        for bucket in range(buckets):
            table = pa.Table.from_batches([batch(path, bucket) for path in blocks], schema=WORK)
            keys = table["key"].to_numpy()
            order = np.argsort(keys, kind="stable")
            again = np.zeros(len(keys), bool)
            again[1:] = keys[order[1:]] == keys[order[:-1]]
            kept = table.take(order[~again])
            seen(kept, table.take(order[again]))
            writer.write_table(kept.select(SCHEMA.names), row_group_size=GROUP_ROWS)
