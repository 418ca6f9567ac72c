"""Conversations that a model goes on writing side by side, token by token. What all prompts begin
with (a template's system text, an instruction) is computed once. Rows that have ended leave, and
others take their places: on a CPU a step of two rows costs half as much as one of thirty."""

from collections.abc import Sequence
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

PADDED = partial(pad_sequence, batch_first=True, padding_side="left")
SPARE = 32  # columns that a layer of the cache has in reserve
LEAST_SHARED = 8  # tokens that all prompts must begin with to be computed apart


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
    """A model and what it has computed of the start that all requests share: so many tokens, and
    each layer's keys and values ``(tokens, heads, size)``."""

    model: Any
    stops: list[int]
    shared: int = 0
    layers: Sequence[tuple[Tensor, Tensor]] = ()

    @classmethod
    def of(cls, model: Any, requests: list[PromptTokens], stops: list[int]) -> "Writer":
        """Returns the writer of some requests, of which there is at least one."""
        if any(DynamicCache(config=model.config).is_linear):
            what = "transformers cannot take ended answers out of a batch with linear attention"
            raise StudyError(what, where="generation.backend", fix="backend: vllm")
        writer, rows = cls(model, stops), [request.ids for request in requests]
        if shared := shared_start(rows):
            loop = TokenLoop(writer, [PromptTokens("", rows[0][:shared], 1)])
            loop.logits()
            pairs = ((layer.keys[0], layer.values[0]) for layer in loop.cache.layers)
            layers = [(keys.transpose(0, 1), values.transpose(0, 1)) for keys, values in pairs]
            writer.shared, writer.layers = shared, layers
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
    """Requests with their key-value cache, in the order of ``rows``: ``ids`` are to be read next,
    as many of each row; with them a row has ``lengths`` tokens, and padding in front of all."""

    def __init__(self, writer: Writer, batch: list[PromptTokens]) -> None:
        self.model, self.stops = writer.model, writer.stops
        self.rows = [Row(request) for request in batch]
        lengths = [len(request.ids) for request in batch]
        # A shorter row reads again some of what is shared: padding between its tokens would count
        # in a sliding window.
        new = max(lengths) - writer.shared
        # All positions are kept, of sliding windows too, so that rows can join others.
        self.cache = Cache(layer_class_to_replicate=GrowingLayer)
        for number, layer in enumerate(writer.layers):
            keys, values = (PADDED([part[: max(0, n - new)] for n in lengths]) for part in layer)
            self.cache.update(keys.transpose(1, 2), values.transpose(1, 2), number)
        own = [torch.tensor(request.ids[-new:]) for request in batch]
        self.ids = PADDED(own, padding_value=self.stops[0]).to(self.model.device)
        self.lengths = self.ids.new_tensor(lengths)

    @property
    def width(self) -> int:
        """The columns that all rows have, with those to be read."""
        return int(self.cache.get_seq_length()) + self.ids.shape[1]

    def logits(self) -> Tensor:
        """Returns the scores of each row's next token, in fp32, ``(rows, vocabulary)``."""
        columns = torch.arange(-self.width, 0, device=self.ids.device) + self.lengths.unsqueeze(-1)
        rows = {"input_ids": self.ids, "attention_mask": (columns >= 0).long()}
        places = columns[:, -self.ids.shape[1] :].clamp(min=0)
        kept = {"past_key_values": self.cache, "use_cache": True, "logits_to_keep": 1}
        logits: Tensor = self.model(**rows, position_ids=places, **kept).logits[:, -1].float()
        return logits

    def append(self, tokens: Tensor) -> None:
        """Adds a token to each row, which the model reads next."""
        self.ids, self.lengths = tokens.unsqueeze(-1), self.lengths + 1

    def select(self, kept: Tensor) -> None:
        """Goes on with the rows of these places, in this order; one may be taken several times."""
        for layer in self.cache.layers:
            layer.put(layer.keys[kept], layer.values[kept])
        self.ids, self.lengths = self.ids[kept], self.lengths[kept]


def joined(parts: list[TokenLoop]) -> TokenLoop:
    """Returns one loop with the rows of all, each of which has a token to be read. All get the
    width of the longest; columns in which every row has padding are left out."""
    first = parts[0]
    if len(parts) == 1:
        return first
    width = max(int(part.lengths.max()) for part in parts)
    missing = [width - part.width for part in parts]  # negative: too many

    def side_by_side(tensors: list[Tensor]) -> Tensor:
        pairs = zip(tensors, missing, strict=True)
        return torch.cat([pad(tensor, (0, 0, left, 0)) for tensor, left in pairs])

    for layers in zip(*(part.cache.layers for part in parts), strict=True):
        keys = side_by_side([layer.keys for layer in layers])
        layers[0].put(keys, side_by_side([layer.values for layer in layers]))
    first.ids = torch.cat([part.ids for part in parts])
    first.lengths = torch.cat([part.lengths for part in parts])
    first.rows = [row for part in parts for row in part.rows]
    return first
