"""ONNX Runtime or OpenVINO through optimum: exports the checkpoint, then ``generate`` as it comes.

The generation config is the checkpoint's own, so its stops are what ends an answer.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers
from common import cut, job, rendered, report

task = job()
name = task["engine"]
if name == "onnxruntime":
    import onnxruntime as engine
    from optimum.onnxruntime import ORTModelForCausalLM as Model

    options: dict[str, Any] = {}
else:
    import openvino as engine
    from optimum.intel import OVModelForCausalLM as Model

    # On some processors it computes in bf16, and it keeps the cache in 8 bits, unless told.
    precise = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    options = {"ov_config": precise, "load_in_8bit": task["type"] == "int8"}
tokenizer = transformers.AutoTokenizer.from_pretrained(task["model"])
model = Model.from_pretrained(task["model"], export=True, **options)
answers, first = [], []
for ids in task["prompts"]:
    prompt = torch.tensor([ids])
    mask = torch.ones_like(prompt)
    found = model.generate(input_ids=prompt, attention_mask=mask, max_new_tokens=task["limit"])
    answers.append(cut(found[0, len(ids) :].tolist(), task["stops"]))
    positions = torch.arange(len(ids))[None]
    output = model(input_ids=prompt, attention_mask=mask, position_ids=positions)
    first.append(output.logits[0, -1].float().numpy())
version = f"{engine.__version__}, transformers {transformers.__version__}"
report(task, answers, first, version, rendered=rendered(tokenizer, task["talks"]))
