"""transformers: ``generate`` on batches of similar length, or its own continuous batching."""

from __future__ import annotations

import math

import torch
import transformers
from common import cut, job
from speed import report
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

task = job()
torch.set_num_threads(task["threads"])
transformers.utils.logging.disable_progress_bar()
dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[task["type"]]
model = AutoModelForCausalLM.from_pretrained(task["model"], dtype=dtype).eval()
greedy = GenerationConfig(
    do_sample=False,
    max_new_tokens=task["limit"],
    eos_token_id=task["stops"],
    pad_token_id=task["stops"][0],
)


def batches(prompts: list[list[int]]) -> list[list[int]]:
    """Answers batches in the order of length, padded in front."""
    order = sorted(range(len(prompts)), key=lambda n: -len(prompts[n]))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), task["places"]):
        some = order[start : start + task["places"]]
        rows = [torch.tensor(prompts[n]) for n in some]
        fill = {"batch_first": True, "padding_side": "left"}
        ids = pad_sequence(rows, padding_value=greedy.pad_token_id, **fill)
        mask = pad_sequence([torch.ones_like(row) for row in rows], **fill)
        found = model.generate(input_ids=ids, attention_mask=mask, generation_config=greedy)
        for n, row in zip(some, found[:, ids.shape[1] :].tolist(), strict=True):
            answers[n] = cut(row, task["stops"])
    return answers


def continuous(prompts: list[list[int]]) -> list[list[int]]:
    """Answers with ``generate_batch``, whose cache would else take most of the memory."""
    config = ContinuousBatchingConfig(max_requests_per_batch=task["places"])
    width = max(map(len, prompts)) + task["limit"]
    config.num_blocks = task["places"] * math.ceil(width / config.page_size)
    found = model.generate_batch(
        prompts, generation_config=greedy, continuous_batching_config=config
    )
    answers = []
    for n in range(len(prompts)):
        one = found[f"req_{n}"]
        if one.error or one.prompt_ids != prompts[n]:
            raise RuntimeError(f"request {n}: {one.error or 'the answer to another prompt'}")
        answers.append(cut(one.generated_tokens, task["stops"]))
    return answers


way = continuous if task["engine"] == "transformers_continuous" else batches
report(task, way, transformers.__version__)
