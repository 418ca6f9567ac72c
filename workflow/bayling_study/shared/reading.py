"""Texts that a model reads, with the keys and values of what it has read: what texts have in common
is read once, and so is what was read before. Only the logits that are asked for are computed."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Cache
from transformers.cache_utils import DynamicLayer

from bayling_study.shared import row_attention

Ids = TypeVar("Ids", list[int], tuple[int, ...])
PADDED = partial(pad_sequence, batch_first=True, padding_side="left")
SPARE = 32  # columns that a layer of the cache has in reserve
LOGIT_VALUES = 1 << 27  # logits computed at once: 256 MiB in 16 bits


def common(rows: Sequence[Ids]) -> int:
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


class Text(NamedTuple):
    """Token ids, of which the first ``known`` are those of ``start``."""

    ids: list[int]
    start: Read = NOTHING
    known: int = 0


class Reading:
    """Texts with their key-value cache: ``ids`` are to be read next, as many of each row; with them
    a row has ``lengths`` tokens, and padding (``filler``) in front of all."""

    def __init__(self, model: Any, texts: Sequence[Text], filler: int = 0) -> None:
        # All positions are kept, of sliding windows too, so that rows can join others.
        self.model, self.cache = model, Cache(layer_class_to_replicate=GrowingLayer)
        # Some rows read again what they know: padding between tokens would count in a window.
        new = max(len(text.ids) - text.known for text in texts)
        held = [max(0, len(text.ids) - new) for text in texts]
        if any(held):
            some = texts[held.index(max(held))].start.layers  # of it rows without one take nothing
            starts = (text.start.layers or some for text in texts)
            for number, layers in enumerate(zip(*starts, strict=True)):
                parts = (zip(rows, held, strict=True) for rows in zip(*layers, strict=True))
                keys, values = (PADDED([row[:count] for row, count in one]) for one in parts)
                self.cache.update(keys.transpose(1, 2), values.transpose(1, 2), number)
        own = [torch.tensor(text.ids[-new:]) for text in texts]
        self.ids = PADDED(own, padding_value=filler).to(model.device)
        self.lengths = self.ids.new_tensor([len(text.ids) for text in texts])

    @property
    def width(self) -> int:
        """The columns that all rows have, with those to be read."""
        return int(self.cache.get_seq_length() + self.ids.shape[1])

    def read_on(self, keep: int = 1) -> Tensor:
        """Reads what is to be read; returns the scores of what follows each of the last ``keep``
        tokens, ``(rows, keep, vocabulary)``."""
        columns = torch.arange(-self.width, 0, device=self.ids.device) + self.lengths.unsqueeze(-1)
        rows = {"input_ids": self.ids, "attention_mask": (columns >= 0).long()}
        places = columns[:, -self.ids.shape[1] :].clamp(min=0)
        kept = {"past_key_values": self.cache, "use_cache": True, "logits_to_keep": keep}
        if self.ids.shape[1] == 1 and self.model.config._attn_implementation == row_attention.NAME:
            parts = row_attention.parts_of(self.lengths.tolist())
            kept |= {"parts": parts} if len(parts) > 1 else {}
        logits: Tensor = self.model(**rows, position_ids=places, **kept).logits
        self.ids = self.ids[:, :0]
        return logits

    def has_read(self, place: int, ids: list[int]) -> Read:
        """Returns what has been read of a row, which begins with ``ids``."""
        start = self.width - int(self.lengths[place])
        part = place, slice(None), slice(start, start + len(ids))
        pairs = ((layer.keys[part], layer.values[part]) for layer in self.cache.layers)
        return Read(ids, [(k.transpose(0, 1).clone(), v.transpose(0, 1).clone()) for k, v in pairs])
