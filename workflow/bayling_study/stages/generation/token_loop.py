"""Conversations that a model goes on writing side by side, token by token. What all prompts begin
with (a system text, an instruction) is computed once, and so are earlier turns. Ended rows leave,
and others take their places: on a CPU a step of two rows costs half as much as one of thirty."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from bayling_study.core.errors import StudyError
from bayling_study.shared.reading import NOTHING, Read, Reading, Text, common
from bayling_study.stages.generation.batching import PromptTokens

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
            loop.logits()
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


class TokenLoop(Reading):
    """Requests that are read and answered, in the order of ``rows``."""

    def __init__(self, writer: Writer, batch: list[PromptTokens]) -> None:
        self.stops, shared = writer.stops, writer.shared
        self.rows = [Row(request) for request in batch]
        kept = [writer.kept.pop(request.id, shared) for request in batch]
        texts = [
            Text(r.ids, own, r.known) if r.known else Text(r.ids, shared, len(shared.ids))
            for r, own in zip(batch, kept, strict=True)
        ]
        super().__init__(writer.model, texts, self.stops[0])

    def read(self, place: int) -> Read:
        """Returns what has been read of a row: all but its answer's last token."""
        row = self.rows[place]
        return self.has_read(place, [*row.request.ids, *row.answer[:-1]])

    def logits(self) -> Tensor:
        """Returns the scores of each row's next token, ``(rows, vocabulary)``."""
        return self.read_on()[:, -1]

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
