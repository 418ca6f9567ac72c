#!/usr/bin/env bash
# datasets 5.2.0: an edited function of an imported module does not make map() run again.
# One would guess: the fingerprint of map(function) holds the function's code, so edits count.
# What happens: functions of importable modules are pickled by name, also those that a lambda
# calls. A new process with an edited cleaning.py gets the old rows from the cache.
# Output seen: 1 and 1 although cleaning.py then returns 2; load_from_cache_file=False gives 2.
. "$(dirname "$0")/common.sh"
packages datasets==5.2.0 pyarrow==25.0.1
cat >run.py <<"END"
import cleaning
import datasets

datasets.disable_progress_bars()
rows = datasets.load_dataset("json", data_files="rows.jsonl", split="train")
print(rows.map(cleaning.clean)[0]["score"], rows.map(lambda row: cleaning.clean(row))[0]["score"])
print(rows.map(cleaning.clean, load_from_cache_file=False)[0]["score"])
END
export PYTHONDONTWRITEBYTECODE=1
echo '{"text": "a"}' >rows.jsonl
echo 'def clean(row): return {"score": 1}' >cleaning.py
first=$(python run.py | tr '\n' ' ')
echo 'def clean(row): return {"score": 2}' >cleaning.py
second=$(python run.py | tr '\n' ' ')
echo "first: $first; after the edit: $second"
[ "$first" = "1 1 1 " ] && [ "$second" = "1 1 2 " ]
