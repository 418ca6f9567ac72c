"""Conversations that a model goes on writing side by side, token by token. What all prompts begin
with (a template's system text, an instruction) is computed once. Rows that have ended leave, and
others take their places: on a CPU a step of two rows costs half as much as one of thirty."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from bayling_study.core.errors import StudyError
from bayling_study.stages.generation.batching import PromptTokens

SPARE = 32  # columns that a layer of the cache has in reserve
LEAST_SHARED = 8  # tokens that all prompts must begin with to be computed apart


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


class GrowingLayer(DynamicLayer):  # type: ignore[misc]  # transformers is not type-checked
    """Keys and values with columns in reserve: transformers copies them all for every token."""

    blocks: Sequence[Tensor] = ()
    keys: Tensor
    values: Tensor

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> Any:
        """Adds columns; returns all keys and all values, as views."""
        held = self.get_seq_length()
        end, new = held + key_states.shape[-2], (key_states, value_states)
        if not self.blocks or end > self.blocks[0].shape[-2]:
            key, value = (t.new_empty(*t.shape[:2], end + SPARE, t.shape[-1]) for t in new)
            if held:
                key[:, :, :held], value[:, :, :held] = self.keys, self.values
            self.blocks, self.is_initialized = [key, value], True
        for block, added in zip(self.blocks, new, strict=True):
            block[:, :, held:end] = added
        self.keys, self.values = (block[:, :, :end] for block in self.blocks)
        return self.keys, self.values

    def put(self, keys: Tensor, values: Tensor) -> None:
        """Takes what other rows have; the memory of the old ones is free at once."""
        self.keys, self.values, self.blocks = keys, values, []


@dataclass
class Writer:
    """A model and what it has computed of the start that all requests share."""

    model: Any
    stops: list[int]
    shared: int
    cache: Cache

    @classmethod
    def of(cls, model: Any, requests: list[PromptTokens], stops: list[int]) -> "Writer":
        """Returns the writer of some requests, of which there is at least one."""
        if any(DynamicCache(config=model.config).is_linear):
            what = "transformers cannot take ended answers out of a batch with linear attention"
            raise StudyError(what, where="generation.backend", fix="backend: vllm")
        # All positions are kept, of sliding windows too, so that rows can join others.
        cache = Cache(layer_class_to_replicate=GrowingLayer)
        writer = cls(model, stops, shared_start([request.ids for request in requests]), cache)
        if writer.shared:
            ids = torch.tensor([requests[0].ids[: writer.shared]], device=model.device)
            model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return writer


@dataclass
class Row:
    """A request and its answer so far, with the token that ends it."""

    request: PromptTokens
    answer: list[int] = field(default_factory=list)

    def over(self, stops: list[int]) -> bool:
        """Tells whether the answer has ended."""
        return len(self.answer) == self.request.limit or self.answer[-1] in stops


class TokenLoop:
    """Requests with their key-value cache, in the order of ``rows``."""

    def __init__(self, writer: Writer, batch: list[PromptTokens]) -> None:
        self.model, self.stops, shared = writer.model, writer.stops, writer.shared
        self.rows = [Row(request) for request in batch]
        self.cache = deepcopy(writer.cache)
        self._lay([0] * len(batch))
        own = [request.ids[shared:] for request in batch]
        self.ids, mask = left_padded(own, self.stops[0], self.model.device)
        self.mask = torch.cat([mask.new_ones(len(batch), shared), mask], dim=-1)
        positions = (self.mask.cumsum(dim=-1) - 1).clamp_(min=0)
        self.positions = positions[:, -self.ids.shape[1] :]

    def _lay(self, kept: Tensor | list[int]) -> None:
        for layer in self.cache.layers:
            layer.put(layer.keys[kept], layer.values[kept])

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
        self._lay(kept)
        self.ids, self.mask, self.positions = self.ids[kept], self.mask[kept], self.positions[kept]


def joined(parts: list[TokenLoop]) -> TokenLoop:
    """Returns one loop with the rows of all, each of which has a token to be read. All get the
    width of the longest; columns in which every row has padding are left out."""
    first = parts[0]
    if len(parts) == 1:
        return first
    widths = [int(part.mask.any(dim=0).sum()) for part in parts]
    missing = [max(widths) - part.mask.shape[1] for part in parts]  # negative: too many

    def side_by_side(tensors: list[Tensor], after: int = 0) -> Tensor:
        pairs = zip(tensors, missing, strict=True)
        return torch.cat([pad(tensor, (0, 0) * after + (left, 0)) for tensor, left in pairs])

    for layers in zip(*(part.cache.layers for part in parts), strict=True):
        keys = side_by_side([layer.keys for layer in layers], after=1)
        layers[0].put(keys, side_by_side([layer.values for layer in layers], after=1))
    first.mask = side_by_side([part.mask for part in parts])
    first.ids = torch.cat([part.ids for part in parts])
    first.positions = torch.cat([part.positions for part in parts])
    first.rows = [row for part in parts for row in part.rows]
    return first
