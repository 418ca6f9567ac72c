"""Reads rows of Parquet files of any origin: ``datasets`` (5.2.0) stores a column as JSON text
(``arrow.json``) as soon as one row has other keys, at the top or inside lists and structs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.core.errors import StudyError
from bayling_study.core.files import NOT_JSON

BATCH_ROWS = 1024


def rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yields a file's rows, JSON text as its values (``StudyError`` if it or a text is broken)."""
    number = 0
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:  # which would fetch all ahead
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                encoded = [field for field in batch.schema if "arrow.json" in str(field.type)]
                for row in _plain(batch, path):
                    number += 1
                    for field in encoded:
                        row[field.name] = _value(row[field.name], field.type)
                    yield row
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if getattr(error, "errno", None) is not None:  # the disk's; of damage there is no number
            raise
        where = f"{path}: after row {number}" if number else path
        what = f"not a Parquet file that can be read ({str(error).strip()})"
        raise StudyError(what, where=where) from error
    except NOT_JSON as error:
        raise StudyError(f"text is not JSON ({error})", where=f"{path}: row {number}") from error


def _plain(batch: pa.RecordBatch, path: Path) -> list[dict[str, Any]]:
    """Returns a batch's rows; what Python's dicts and numbers cannot hold is refused."""
    for name in batch.schema.names:
        if batch.schema.names.count(name) > 1:
            raise StudyError(f"more than one column is called {name!r}", where=path)
    try:
        return list(batch.to_pylist(maps_as_pydicts="strict"))
    except UnicodeDecodeError:  # damage, a ValueError too
        raise
    except (ValueError, KeyError, OverflowError) as error:
        what = f"a value cannot be read into Python ({error})"
        raise StudyError(what, where=path, fix="cast its column to text, or drop it") from error


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is not None and isinstance(kind, pa.JsonType):
        return json.loads(value)
    if isinstance(value, list):
        return [_value(item, kind.value_type) for item in value]
    if isinstance(value, dict):
        of_map = isinstance(kind, pa.MapType)
        kinds = {key: kind.item_type if of_map else kind.field(key).type for key in value}
        return {key: _value(item, kinds[key]) for key, item in value.items()}
    return value
