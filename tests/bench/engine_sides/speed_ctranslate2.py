"""CTranslate2: all prompts in one call, which sorts them by length and cuts them into batches."""

from __future__ import annotations

import json
from pathlib import Path

import ctranslate2
from common import job
from speed import report, shared_start

task = job()
model = ctranslate2.Generator(
    task["model"], compute_type=task["type"], inter_threads=1, intra_threads=task["threads"]
)
words = json.loads((Path(task["model"]) / "vocabulary.json").read_text(encoding="utf-8"))


def answer(prompts: list[list[int]]) -> list[list[int]]:
    """Answers greedily; what all prompts begin with is computed once, as a static prompt."""
    shared = shared_start(prompts)
    found = model.generate_batch(
        [[words[n] for n in ids[shared:]] for ids in prompts],
        static_prompt=[words[n] for n in prompts[0][:shared]] or None,
        max_batch_size=task["places"],
        batch_type="examples",
        max_length=task["limit"],
        sampling_topk=1,
        end_token=task["stops"],
        include_prompt_in_result=False,
    )
    return [one.sequences_ids[0] for one in found]


report(task, answer, ctranslate2.__version__)
