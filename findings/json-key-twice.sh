#!/usr/bin/env bash
# orjson 3.13.0, polars 2.1.0, duckdb 2.0.1, pyarrow 25.0.1: one line, a key twice, three answers.
# One would guess: the last value wins, as in Python and JavaScript, whichever program reads.
# What happens: json and orjson take the last, polars and DuckDB's ->> the first; DuckDB's
# read_json and pyarrow raise. Only the choice of reader decides what a model is trained on.
# Output seen: json last, orjson last, polars first, duckdb ->> first, the other two refused.
. "$(dirname "$0")/common.sh"
packages orjson==3.13.0 polars==2.1.0 duckdb==2.0.1 pyarrow==25.0.1
python - <<"END"
import io
import json

import duckdb
import orjson
import polars
import pyarrow
import pyarrow.json

LINE = b'{"answer": "first", "answer": "last"}\n'
open("rows.jsonl", "wb").write(LINE)
taken = {
    "json": json.loads(LINE)["answer"],
    "orjson": orjson.loads(LINE)["answer"],
    "polars": polars.read_ndjson(io.BytesIO(LINE))["answer"][0],
    "duckdb ->>": duckdb.sql(f"select '{LINE.decode()}'::json ->> 'answer'").fetchall()[0][0],
}
print(taken)
assert list(taken.values()) == ["last", "last", "first", "first"]
refused = []
for name, read in {
    "duckdb read_json": lambda: duckdb.sql("from read_json('rows.jsonl')").fetchall(),
    "pyarrow": lambda: pyarrow.json.read_json("rows.jsonl"),
}.items():
    try:
        read()
    except (duckdb.Error, pyarrow.ArrowInvalid) as error:
        print(name, "refuses:", str(error).splitlines()[0])
        refused.append(name)
assert refused == ["duckdb read_json", "pyarrow"]
END
