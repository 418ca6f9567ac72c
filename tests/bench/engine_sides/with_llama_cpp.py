"""llama.cpp through llama-cpp-python: greedy, with the file's own template and stops."""

from __future__ import annotations

from typing import Any

import llama_cpp as c
import numpy as np
from common import job, report
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

task = job()
quiet = c.llama_log_callback(lambda *_: None)
c.llama_log_set(quiet, None)
# The cache is F16 and attention is fused unless one says otherwise, with F32 weights as well.
F32 = 0
exact: dict[str, Any] = {"type_k": F32, "type_v": F32, "flash_attn": False}
exact |= {"n_threads": task["threads"], "n_threads_batch": task["threads"]}
model = c.Llama(task["model"], n_ctx=2048, n_batch=2048, n_ubatch=512, verbose=False, **exact)
vocabulary = c.llama_model_get_vocab(model.model)
stops = [n for n in range(model.n_vocab()) if c.llama_vocab_is_eog(vocabulary, n)]


def first_logits() -> Any:
    """Returns the logits after the last token."""
    pointer = c.llama_get_logits_ith(model.ctx, -1)
    return np.ctypeslib.as_array(pointer, (model.n_vocab(),)).copy()


def answer(prompt: list[int]) -> tuple[list[int], Any]:
    """Returns the answer's ids and its first logits."""
    model.reset()
    c.llama_memory_clear(c.llama_get_memory(model.ctx), True)
    model.eval(prompt)
    first = logits = first_logits()
    ids: list[int] = []
    while len(ids) < task["limit"]:
        chosen = int(logits.argmax())
        if chosen in stops:
            break
        ids.append(chosen)
        model.eval([chosen])
        logits = first_logits()
    return ids, first


def rendered() -> list[list[int]]:
    """Returns the ids of each conversation in the file's own template."""
    source = model.metadata["tokenizer.chat_template"]
    name = {
        key: model.detokenize([number], special=True).decode()
        for key, number in (("eos_token", model.token_eos()), ("bos_token", model.token_bos()))
    }
    write = Jinja2ChatFormatter(source, **name)
    texts = [write(messages=talk).prompt for talk in task["talks"]]
    return [model.tokenize(text.encode(), add_bos=False, special=True) for text in texts]


done = [answer(prompt) for prompt in task["prompts"]]
report(
    task,
    [ids for ids, _ in done],
    [first for _, first in done],
    c.__version__,
    stops=stops,
    rendered=rendered(),
)
