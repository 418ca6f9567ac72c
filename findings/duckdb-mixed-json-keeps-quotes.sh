#!/usr/bin/env bash
# duckdb 2.0.1: one number in a column of JSON texts puts quotation marks around all the texts.
# One would guess: the column becomes text, 7 as '7' and "seven" as 'seven' (as in polars).
# What happens: the column has the type JSON, whose values are JSON source: texts come to Python
# with their quotation marks and escapes, and are written so to CSV.
# Output seen: without the number ('seven',), with it ('"seven"',) and ('7',).
. "$(dirname "$0")/common.sh"
packages duckdb==2.0.1 polars==2.1.0
python - <<"END"
import duckdb
import polars

open("texts.jsonl", "w").write('{"answer": "seven"}\n{"answer": "a \\"b\\""}\n')
open("mixed.jsonl", "w").write('{"answer": "seven"}\n{"answer": "a \\"b\\""}\n{"answer": 7}\n')
texts = duckdb.sql("from read_json('texts.jsonl')").fetchall()
mixed = duckdb.sql("from read_json('mixed.jsonl')").fetchall()
print(texts, mixed)
assert texts == [("seven",), ('a "b"',)]
assert mixed == [('"seven"',), ('"a \\"b\\""',), ("7",)]
duckdb.sql("copy (from read_json('mixed.jsonl')) to 'mixed.csv'")
print(open("mixed.csv").read())
assert '"""seven"""' in open("mixed.csv").read()
assert polars.read_ndjson("mixed.jsonl")["answer"].to_list() == ["seven", 'a "b"', "7"]
END
