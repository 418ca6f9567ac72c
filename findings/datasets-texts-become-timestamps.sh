#!/usr/bin/env bash
# datasets 5.2.0, pyarrow 25.0.1: answers that are all dates are loaded as timestamps.
# One would guess: what stands between quotation marks in JSON is text.
# What happens: load_dataset("json") leaves the type to pyarrow, which takes a column in which
# all texts look like dates for timestamps; one other answer in the block makes it text again.
# Output seen: datetime(2024, 5, 1) where the file has "2024-05-01"; with "May" text.
. "$(dirname "$0")/common.sh"
packages datasets==5.2.0 pyarrow==25.0.1
python - <<"END"
import datetime

import datasets

datasets.disable_progress_bars()
dates = '{"answer": "2024-05-01"}\n{"answer": "2023-01-02"}\n'
open("dates.jsonl", "w").write(dates)
open("mixed.jsonl", "w").write(dates + '{"answer": "May"}\n')
found = {
    name: datasets.load_dataset("json", data_files=f"{name}.jsonl", split="train")[0]["answer"]
    for name in ("dates", "mixed")
}
print(found)
assert found["dates"] == datetime.datetime(2024, 5, 1)
assert found["mixed"] == "2024-05-01"
END
