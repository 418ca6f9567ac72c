"""Reads rows of Parquet files of any origin, one at a time.

``datasets`` (5.2.0) stores a column as JSON text as soon as one row has other keys
than the rest: Arrow's type ``arrow.json``, at the top or inside lists and structs.
A program that loses the type leaves text, and the file's ``huggingface`` remarks
tell. Either way rows hold the values that the text stands for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.core.errors import StudyError

BATCH_ROWS = 1024


def rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yields the rows of a Parquet file.

    Raises:
        StudyError: the file is no Parquet, or text that stands for JSON is none.
    """
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            encoded = json_columns(file.schema_arrow)
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    where = f"{path}: row {number}"
                    decoded = ((name, row[name], encoded[name]) for name in encoded if name in row)
                    yield row | {name: _value(name, *rest, where) for name, *rest in decoded}
    except pa.ArrowInvalid as error:
        raise StudyError(f"not a Parquet file ({error})", where=path) from error


def json_columns(schema: pa.Schema) -> dict[str, pa.DataType]:
    """Returns the types of the columns that hold JSON as text, in whole or in part."""
    remarks = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = remarks.get("info", {}).get("features") or {}
    found = {}
    for field in schema:
        kind = field.type
        if features.get(field.name) == {"_type": "Json"} and pa.types.is_string(kind):
            kind = pa.json_()
        if _holds_json(kind):
            found[field.name] = kind
    return found


def _holds_json(kind: pa.DataType) -> bool:
    inner = [kind.field(place).type for place in range(kind.num_fields)]
    return isinstance(kind, pa.JsonType) or any(map(_holds_json, inner))


def _value(name: str, value: Any, kind: pa.DataType, where: str) -> Any:
    if value is None:
        return None
    if isinstance(kind, pa.JsonType):
        try:
            return json.loads(value)
        except ValueError as error:
            raise StudyError(f"the text of {name!r} is not JSON ({error})", where=where) from error
    if isinstance(value, list):
        return [_value(name, item, kind.field(0).type, where) for item in value]
    if isinstance(value, dict):
        inner = {field.name: field.type for field in (kind.field(n) for n in range(len(value)))}
        return {key: _value(name, item, inner[key], where) for key, item in value.items()}
    return value
