"""Conversations that a model goes on writing side by side, token by token. What all prompts begin
with (a system text, an instruction) is computed once, and so are earlier turns. Ended rows leave,
and others take their places: on a CPU a step of two rows costs half as much as one of thirty."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

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


def common(rows: list[list[int]]) -> int:
    """Returns how many tokens all rows begin with: all others lie between the first and last."""
    pairs = enumerate(zip(min(rows), max(rows), strict=False))
    return next((n for n, (one, other) in pairs if one != other), min(map(len, rows)))


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


class Read(NamedTuple):
    """Tokens that a model has read, and keys and values ``(tokens, heads, size)`` of each layer."""

    ids: list[int]
    layers: list[tuple[Tensor, Tensor]]


NOTHING = Read([], [])
Kept = dict[str, Read]
"""What has been read of conversations that go on, by their ids."""


@dataclass
class Writer:
    """A model and what it has read: of conversations that go on, and what all others begin with."""

    model: Any
    stops: list[int]
    kept: Kept
    shared: Read = NOTHING

    @classmethod
    def of(cls, model: Any, requests: list[PromptTokens], stops: list[int], kept: Kept) -> "Writer":
        """Returns the writer of some requests. Each is left a token of its own to be read, which
        the answer's first token follows."""
        if any(DynamicCache(config=model.config).is_linear):
            what = "transformers cannot take ended answers out of a batch with linear attention"
            raise StudyError(what, where="generation.backend", fix="backend: vllm")
        writer, fresh = cls(model, stops, kept), [r.ids for r in requests if not r.known]
        if len(fresh) > 1 and (shared := common([ids[:-1] for ids in fresh])):
            loop = TokenLoop(writer, [PromptTokens("", fresh[0][:shared], 1)])
            loop.append(loop.logits().argmax(dim=-1))
            writer.shared = loop.read(0)
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
        self.model, self.stops, shared = writer.model, writer.stops, writer.shared
        self.rows = [Row(request) for request in batch]
        # All positions are kept, of sliding windows too, so that rows can join others.
        self.cache = Cache(layer_class_to_replicate=GrowingLayer)
        kept = [writer.kept.pop(request.id, shared) for request in batch]
        starts = [(own if r.known else shared).layers for r, own in zip(batch, kept, strict=True)]
        # Some rows read again what they know: padding between tokens would count in a window.
        new = max(len(r.ids) - (r.known or len(shared.ids)) for r in batch)
        held = [max(0, len(request.ids) - new) for request in batch]
        if any(held):
            some = starts[held.index(max(held))]  # of it rows without a start take nothing
            for number, layers in enumerate(zip(*(start or some for start in starts), strict=True)):
                parts = (zip(rows, held, strict=True) for rows in zip(*layers, strict=True))
                keys, values = (PADDED([row[:count] for row, count in one]) for one in parts)
                self.cache.update(keys.transpose(1, 2), values.transpose(1, 2), number)
        own = [torch.tensor(request.ids[-new:]) for request in batch]
        self.ids = PADDED(own, padding_value=self.stops[0]).to(self.model.device)
        self.lengths = self.ids.new_tensor([len(request.ids) for request in batch])

    def read(self, place: int) -> Read:
        """Returns what has been read of a row: all but its answer's last token."""
        ids = [*self.rows[place].request.ids, *self.rows[place].answer[:-1]]
        start = self.width - int(self.lengths[place])
        part = place, slice(None), slice(start, start + len(ids))
        pairs = ((layer.keys[part], layer.values[part]) for layer in self.cache.layers)
        return Read(ids, [(k.transpose(0, 1).clone(), v.transpose(0, 1).clone()) for k, v in pairs])

    @property
    def width(self) -> int:
        """The columns that all rows have, with those to be read."""
        return int(self.cache.get_seq_length() + self.ids.shape[1])

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
