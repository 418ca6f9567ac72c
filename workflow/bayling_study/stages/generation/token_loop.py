"""A batch of conversations that a model goes on writing, token by token. What all begin with (a
template's system text, an instruction) is computed once, and a row that has ended leaves the batch:
on a CPU a step costs nearly as much as it has rows, and translations differ in length."""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from bayling_study.stages.generation.batching import PromptTokens

LEAST_SHARED = 8  # tokens that all prompts of a batch must begin with to be computed apart


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


class TokenLoop:
    """The rows of a batch with their key-value cache; ``rows`` are the numbers of those left."""

    def __init__(self, model: Any, batch: list[PromptTokens], stops: list[int]) -> None:
        self.model, self.limit, self.stops = model, batch[0].limit, set(stops)
        self.rows = list(range(len(batch)))
        self.answers: list[list[int]] = [[] for _ in batch]
        shared = shared_start([request.ids for request in batch])
        self.cache = self._computed(batch[0].ids[:shared])
        self.ids, mask = left_padded([r.ids[shared:] for r in batch], stops[0], model.device)
        self.mask = torch.cat([mask.new_ones(len(batch), shared), mask], dim=-1)
        positions = (self.mask.cumsum(dim=-1) - 1).clamp_(min=0)
        self.positions = positions[:, -self.ids.shape[1] :]

    def _computed(self, start: list[int]) -> DynamicCache:
        """Returns a cache that holds what all rows begin with."""
        cache = DynamicCache(config=self.model.config)
        if start:
            ids = torch.tensor([start], device=self.model.device)
            self.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache.batch_repeat_interleave(len(self.rows))
        return cache

    def logits(self) -> Tensor:
        """Returns the scores of each row's next token, in fp32, ``(rows, vocabulary)``."""
        rows = {"input_ids": self.ids, "attention_mask": self.mask, "position_ids": self.positions}
        kept = {"past_key_values": self.cache, "use_cache": True, "logits_to_keep": 1}
        logits: Tensor = self.model(**rows, **kept).logits[:, -1].float()
        return logits

    def append(self, tokens: Tensor) -> None:
        """Adds a token to each row, which the model reads next."""
        self.ids = tokens.unsqueeze(-1)
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=-1)
        self.positions = self.positions[:, -1:] + 1

    def select(self, kept: Tensor) -> None:
        """Goes on with the rows of these places, in this order; one may be taken several times."""
        self.cache.batch_select_indices(kept)
        self.ids, self.mask, self.positions = self.ids[kept], self.mask[kept], self.positions[kept]
