#!/usr/bin/env bash
# datasets 5.2.0: a local file with other content and the same time is read from the cache.
# One would guess: load_dataset knows a changed file by its content, or at least by its size.
# What happens: a local file's fingerprint is its path and modification time. Tools that set
# times (cp -p, rsync -t, tar, reproducible builds) hand over new data that nobody sees.
# Output seen: "first" both times, though the file says "second, and longer".
. "$(dirname "$0")/common.sh"
packages datasets==5.2.0 pyarrow==25.0.1
cat >load.py <<"END"
import datasets

datasets.disable_progress_bars()
print(datasets.load_dataset("json", data_files="rows.jsonl", split="train")[0]["text"])
END
echo '{"text": "first"}' >rows.jsonl
touch -d '2024-01-01 00:00:00 UTC' rows.jsonl
before=$(python load.py)
echo '{"text": "second, and longer"}' >rows.jsonl
touch -d '2024-01-01 00:00:00 UTC' rows.jsonl
after=$(python load.py)
touch -d '2024-01-02 00:00:00 UTC' rows.jsonl
later=$(python load.py)
echo "before: $before; other content, same time: $after; other time: $later"
[ "$before" = first ] && [ "$after" = first ] && [ "$later" = "second, and longer" ]
