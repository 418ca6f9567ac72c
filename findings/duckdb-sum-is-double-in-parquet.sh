#!/usr/bin/env bash
# duckdb 2.0.1: the sum of whole numbers, exact in SQL, is rounded when it is written to Parquet.
# One would guess: sum(BIGINT) of whole numbers lands in Parquet as whole numbers, or is refused.
# What happens: sum(BIGINT) is a HUGEINT, for which Parquet has no type, so COPY writes DOUBLE
# without a word; above 2**53 the number is another one.
# Output seen: in SQL 9007199254740993, in the file 9007199254740992.0 of type double.
. "$(dirname "$0")/common.sh"
packages duckdb==2.0.1 pyarrow==25.0.1
python - <<"END"
import duckdb
import pyarrow
import pyarrow.parquet

QUERY = "select sum(n) as total from (values (9007199254740992::BIGINT), (1::BIGINT)) t(n)"
exact = duckdb.sql(QUERY).fetchall()[0][0]
duckdb.sql(f"copy ({QUERY}) to 'total.parquet'")
column = pyarrow.parquet.read_table("total.parquet")["total"]
print("in SQL", exact, "in the file", column[0].as_py(), "of type", column.type)
assert exact == 9007199254740993
assert column.type == pyarrow.float64()
assert int(column[0].as_py()) == 9007199254740992
END
