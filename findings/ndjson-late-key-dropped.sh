#!/usr/bin/env bash
# polars 2.1.0, duckdb 2.0.1: a key that JSON lines first have late in the file is left out.
# One would guess: a reader of JSON lines gives all keys, or raises at one that its sample lacked.
# What happens: polars looks at 100 rows, DuckDB at 20480; a key that comes later is dropped
# without a word, while a later value of another type raises.
# Output seen: columns ['question'] of 30001 rows, the last of which has an "answer".
. "$(dirname "$0")/common.sh"
packages polars==2.1.0 duckdb==2.0.1
python - <<"END"
import duckdb
import polars

with open("rows.jsonl", "w") as stream:
    stream.write('{"question": 1}\n' * 30000 + '{"question": 2, "answer": "x"}\n')
frame = polars.read_ndjson("rows.jsonl")
relation = duckdb.sql("from read_json('rows.jsonl')")
print("polars", frame.columns, frame.height, "duckdb", relation.columns, len(relation))
assert frame.columns == relation.columns == ["question"]
assert frame.height == len(relation) == 30001
whole = polars.read_ndjson("rows.jsonl", infer_schema_length=None)
assert whole.columns == ["question", "answer"]
open("rows.jsonl", "w").write('{"question": 1}\n' * 300 + '{"question": "two"}\n')
try:
    polars.read_ndjson("rows.jsonl")
except polars.exceptions.ComputeError as error:
    print("polars, another type later:", error)
else:
    raise AssertionError("another type was read")
END
