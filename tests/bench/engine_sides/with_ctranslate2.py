"""CTranslate2: converts the checkpoint with its own converter, then answers greedily."""

from __future__ import annotations

import ctranslate2
import numpy as np
import transformers
from common import cut, job, rendered, report

task = job()
tokenizer = transformers.AutoTokenizer.from_pretrained(task["model"])
folder = task["scratch"]
converter = ctranslate2.converters.TransformersConverter(task["model"])
converter.convert(folder, quantization=task["type"], force=True)
model = ctranslate2.Generator(folder, compute_type=task["type"], intra_threads=task["threads"])
answers, first = [], []
for ids in task["prompts"]:
    prompt = tokenizer.convert_ids_to_tokens(ids)
    found = model.generate_batch(
        [prompt], max_length=task["limit"], sampling_topk=1, include_prompt_in_result=False
    )
    answers.append(cut(found[0].sequences_ids[0], task["stops"]))
    first.append(np.array(model.forward_batch([ids]))[0, -1])
version = f"{ctranslate2.__version__}, transformers {transformers.__version__}"
report(task, answers, first, version, rendered=rendered(tokenizer, task["talks"]))
