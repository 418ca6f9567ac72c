"""Decoding of one batch: greedy, sampling, or transformers' beam search.

Greedy decoding and sampling have their own loop. A row that has ended leaves the batch there: on a
CPU a step costs nearly as much as it has rows, and translations differ in length. And what all
prompts of a batch begin with (a template's system text, an instruction) is computed once.

Sampling draws one uniform number a token from a generator that belongs to the prompt, and takes
the token in whose interval of the cumulative distribution it falls; so nothing else in the batch
decides an answer. There is no top-k or nucleus cut.
"""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache, GenerationConfig

from bayling_study.config.suites import Decoding
from bayling_study.core.errors import StudyError
from bayling_study.stages.generation.batching import PromptTokens

LEAST_SHARED = 8
"""Tokens that all prompts of a batch must begin with to be computed apart."""
DROP_SHARE = 8
"""Ended rows leave the batch once they are one in this many; a smaller number copies the
cache more often, a larger one computes more rows for nothing."""

Choice = Callable[[Tensor, Sequence[int]], Tensor]
"""``(logits (rows, vocabulary), row numbers) -> token ids (rows,)``."""


class AnswerTokens(NamedTuple):
    """Ids of an answer's tokens, without the one that ended it; ``tokens`` counts that too.
    ``finish`` is ``stop`` or ``length``."""

    ids: list[int]
    tokens: int
    finish: str


def decode(
    model: Any, batch: list[PromptTokens], how: Decoding, stops: list[int], seeds: list[Random]
) -> list[AnswerTokens]:
    """Returns the answers to a batch of requests with one common limit, in its order. ``model`` is
    in evaluation mode, ``stops`` are the ids that end an answer, ``seeds`` has a generator for each
    request, used only when sampling. Beams exclude sampling (``StudyError``)."""
    if how.sample and how.beams > 1:
        raise StudyError("beam search and sampling exclude each other", fix="beams: 1")
    with torch.inference_mode():
        if how.beams > 1:
            rows = _beam_search(model, batch, how.beams, stops)
        elif how.sample:
            rows = _Loop(model, batch, stops).run(_sampling(how.temperature, seeds))
        else:
            rows = _Loop(model, batch, stops).run(lambda logits, _: logits.argmax(dim=-1))
    return [ended(row, set(stops)) for row in rows]


def ended(row: list[int], stops: set[int]) -> AnswerTokens:
    """Returns the answer that a row of generated tokens holds, up to its first stop."""
    for position, token in enumerate(row):
        if token in stops:
            return AnswerTokens(row[:position], position + 1, "stop")
    return AnswerTokens(row, len(row), "length")


def left_padded(rows: list[list[int]], fill: int, device: Any) -> tuple[Tensor, Tensor]:
    """Returns ids and attention mask, both ``(rows, longest)``, padding in front."""
    flat = [torch.tensor(row, dtype=torch.long) for row in rows]
    padded = partial(pad_sequence, batch_first=True, padding_side="left")
    ids = padded(flat, padding_value=fill)
    mask = padded([torch.ones_like(row) for row in flat])
    return ids.to(device), mask.to(device)


def shared_start(rows: list[list[int]]) -> int:
    """Returns how many tokens all rows begin with, if that is worth a computation of its own. Every
    row keeps a token of its own, for the answer's first token follows it."""
    if len(rows) < 2:
        return 0
    first, last = min(rows), max(rows)  # all others lie between these two
    most = min(len(row) for row in rows) - 1
    shared = next((n for n in range(most) if first[n] != last[n]), most)
    return shared if shared >= LEAST_SHARED else 0


def _sampling(temperature: float, seeds: list[Random]) -> Choice:
    def choose(logits: Tensor, rows: Sequence[int]) -> Tensor:
        cumulative = (logits.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
        drawn = torch.tensor([[seeds[row].random()] for row in rows], dtype=torch.double)
        # The sum may fall short of 1 by rounding: scale the draw, never pass the end.
        scaled = drawn.to(logits.device) * cumulative[:, -1:]
        found = torch.searchsorted(cumulative, scaled, right=True)
        return found.squeeze(-1).clamp_(max=logits.shape[-1] - 1)

    return choose


class _Loop:
    """Token by token, with a key-value cache from which ended rows are removed."""

    def __init__(self, model: Any, batch: list[PromptTokens], stops: list[int]) -> None:
        self.model = model
        self.limit = batch[0].limit
        self.stops = set(stops)
        self.rows = list(range(len(batch)))  # batch numbers of the rows still in the tensors
        self.answers: list[list[int]] = [[] for _ in batch]
        shared = shared_start([request.ids for request in batch])
        self.cache = self._computed(batch[0].ids[:shared])
        self.ids, mask = left_padded([r.ids[shared:] for r in batch], stops[0], model.device)
        self.mask = torch.cat([mask.new_ones(len(batch), shared), mask], dim=-1)

    def _computed(self, start: list[int]) -> DynamicCache:
        """Returns a cache that holds what all rows begin with."""
        cache = DynamicCache(config=self.model.config)
        if start:
            ids = torch.tensor([start], device=self.model.device)
            self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.batch_repeat_interleave(len(self.rows))
        return cache

    def run(self, choose: Choice) -> list[list[int]]:
        positions = (self.mask.cumsum(dim=-1) - 1).clamp_(min=0)[:, -self.ids.shape[1] :]
        for step in range(self.limit):
            rows = {"input_ids": self.ids, "attention_mask": self.mask, "position_ids": positions}
            kept = {"past_key_values": self.cache, "use_cache": True, "logits_to_keep": 1}
            output = self.model(**rows, **kept)
            chosen = choose(output.logits[:, -1].float(), self.rows)
            ended = self._append(chosen.tolist())
            if all(ended) or step + 1 == self.limit:
                break
            self.ids = chosen.unsqueeze(-1)
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.rows), 1)], dim=-1)
            positions = positions[:, -1:] + 1
            if sum(ended) * DROP_SHARE >= len(ended):
                positions = self._drop(ended, positions)
        return self.answers

    def _append(self, tokens: list[int]) -> list[bool]:
        """Adds a token to every row that has not ended; returns which rows have."""
        ended: list[bool] = []
        for row, token in zip(self.rows, tokens, strict=True):
            answer = self.answers[row]
            if not (answer and answer[-1] in self.stops):
                answer.append(token)
            ended.append(answer[-1] in self.stops)
        return ended

    def _drop(self, ended: list[bool], positions: Tensor) -> Tensor:
        kept = torch.tensor([n for n, over in enumerate(ended) if not over], device=self.ids.device)
        self.cache.batch_select_indices(kept)
        self.rows = [row for row, over in zip(self.rows, ended, strict=True) if not over]
        self.ids, self.mask = self.ids[kept], self.mask[kept]
        return positions[kept]


def _beam_search(
    model: Any, batch: list[PromptTokens], beams: int, stops: list[int]
) -> list[list[int]]:
    """Transformers' beam search with its defaults: length penalty 1, no early stopping."""
    ids, mask = left_padded([request.ids for request in batch], stops[0], model.device)
    rules = {"num_beams": beams, "do_sample": False, "length_penalty": 1.0, "early_stopping": False}
    ends = {"max_new_tokens": batch[0].limit, "eos_token_id": stops, "pad_token_id": stops[0]}
    config = GenerationConfig(**rules, **ends)
    output = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
    answers: list[list[int]] = output[:, ids.shape[1] :].tolist()
    return answers
