"""llama.cpp: one ``llama_batch`` a step, in which each place writes or reads its next prompt.

That is how llama.cpp's server works: first a token of every answer, then prompts up to the
size of a batch. What all prompts begin with is computed once and copied, as its example
``parallel`` does. Cache type and attention are llama.cpp's defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import llama_cpp as c
import numpy as np
from common import job
from speed import report, shared_start

task = job()
quiet = c.llama_log_callback(lambda *_: None)
c.llama_log_set(quiet, None)
c.llama_backend_init()
model = c.llama_model_load_from_file(task["model"].encode(), c.llama_model_default_params())
words = c.llama_vocab_n_tokens(c.llama_model_get_vocab(model))
START = task["places"]  # the sequence of what all prompts begin with; places are those before it
options = c.llama_context_default_params()
width = max(map(len, task["prompts"])) + task["limit"]
options.n_seq_max = START + 1
options.n_ctx = width * options.n_seq_max
options.kv_unified = True  # 2.4 times as fast here; separate caches cut a batch into small ones
options.n_threads = options.n_threads_batch = task["threads"]
context = c.llama_init_from_model(model, options)
memory, room = c.llama_get_memory(context), c.llama_n_batch(context)
batch = c.llama_batch_init(room, 0, 1)


@dataclass
class Place:
    """A sequence of the cache and the prompt that it answers."""

    number: int
    prompt: int
    unread: list[int]
    read: int
    answer: list[int] = field(default_factory=list)


def add(token: int, position: int, sequence: int, last: bool) -> None:
    """Adds a token to the batch; the scores of what follows ``last`` ones are computed."""
    n = batch.n_tokens
    batch.token[n], batch.pos[n], batch.logits[n] = token, position, last
    batch.n_seq_id[n], batch.seq_id[n][0] = 1, sequence
    batch.n_tokens = n + 1


def fill(places: list[Place]) -> Iterator[tuple[int, Place]]:
    """Adds what fits of the places' unread tokens; yields where a token is to be chosen."""
    batch.n_tokens = 0
    for place in sorted(places, key=lambda one: len(one.unread)):  # stable: answers come first
        some = place.unread[: room - batch.n_tokens]
        del place.unread[: len(some)]
        for token in some:
            place.read += 1
            add(token, place.read - 1, place.number, False)
        if some and not place.unread:
            batch.logits[batch.n_tokens - 1] = True
            yield batch.n_tokens - 1, place


def compute() -> None:
    """Computes the batch."""
    if status := c.llama_decode(context, batch):
        raise RuntimeError(f"llama_decode gave {status}")


def start(ids: list[int]) -> None:
    """Empties the cache and computes what all prompts begin with."""
    c.llama_memory_clear(memory, True)
    first = Place(START, -1, list(ids), 0)
    while first.unread:
        list(fill([first]))
        compute()


def answer(prompts: list[list[int]]) -> list[list[int]]:
    """Answers greedily; a freed place is taken by the next prompt."""
    shared = shared_start(prompts)
    start(prompts[0][:shared])
    waiting, free = list(range(len(prompts)))[::-1], list(range(START))
    answers: list[list[int]] = [[] for _ in prompts]
    places: list[Place] = []
    while waiting or places:
        while waiting and free:
            number, prompt = free.pop(), waiting.pop()
            c.llama_memory_seq_cp(memory, START, number, -1, -1)
            places.append(Place(number, prompt, prompts[prompt][shared:], shared))
        chosen = list(fill(places))
        compute()
        for where, place in chosen:
            scores = np.ctypeslib.as_array(c.llama_get_logits_ith(context, where), (words,))
            token = int(scores.argmax())
            if token not in task["stops"]:
                place.answer.append(token)
                place.unread = [token]
            if token in task["stops"] or len(place.answer) == task["limit"]:
                c.llama_memory_seq_rm(memory, place.number, -1, -1)
                answers[place.prompt] = place.answer
                free.append(place.number)
                places.remove(place)
    return answers


report(task, answer, c.__version__)
