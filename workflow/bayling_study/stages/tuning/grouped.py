"""Attention that stays inside a conversation because only its own tokens are laid together.

With a mask over a whole packed sequence, almost all scores are computed to be thrown away: of
sixteen conversations of like length, fifteen in sixteen. Here each conversation is a row of a
batch, its keys the shared start and its own tokens, and conversations of like length are computed
together. So a sequence can be as long as memory allows, and its work grows with its tokens.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from transformers import AttentionInterface

from bayling_study.core.errors import StudyError

SHARED = -1  # segment of the start that all conversations of a sequence have in common
LIKE = 1.3
"""Conversations of a group are at most so many times as long as its shortest, and are padded to
its longest."""
NOT_COMPUTED = ("s_aux", "position_bias")
"""What some models add to the scores (attention sinks, biases of positions)."""


@dataclass(frozen=True)
class Group:
    """Conversations of like length in a packed sequence.

    Attributes:
        queries: int64 [rows, longest] place in the sequence of each token, 0 for padding.
        real: bool [rows, shared + longest] which keys are no padding: the shared start's, and then
            the same tokens.
    """

    queries: Tensor
    real: Tensor

    @property
    def own(self) -> Tensor:
        """Which of the queries are no padding."""
        return self.real[:, -self.queries.shape[1] :]

    def mask(self, copies: int, window: int | None, dtype: torch.dtype) -> Tensor:
        """Returns 0 or the lowest number [rows, 1, copies * longest, keys] for each query's view of
        each key; a query sees keys up to its own, and at most ``window`` of them."""
        longest, keys = self.queries.shape[1], self.real.shape[1]
        own = torch.arange(keys - longest, keys, device=self.real.device)
        distance = own[:, None] - torch.arange(keys, device=self.real.device)
        seen = (distance >= 0) & (distance < (window or keys)) & self.real[:, None]
        closed = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return closed.masked_fill_(~seen, torch.finfo(dtype).min).repeat(1, copies, 1)[:, None]


class Groups:
    """How a packed sequence is laid out for attention, the same in every layer: groups, one behind
    the other; the token at each place of them, and the place of each token."""

    def __init__(self, segments: Tensor) -> None:
        shared = int((segments == SHARED).sum())
        lengths = torch.bincount(segments[shared:]).tolist()
        order = sorted(zip(lengths, accumulate(lengths, initial=shared), strict=False))
        parts = [(0, [(shared, 0)])] if shared else []  # the start reads itself
        while order:
            most = LIKE * order[0][0]
            count = sum(length <= most for length, _ in order)
            parts.append((shared, order[:count]))
            order = order[count:]
        self.groups = [_group(*part, segments.device) for part in parts]
        self.tokens = torch.cat([group.queries.flatten() for group in self.groups])
        real = torch.cat([group.own.flatten() for group in self.groups])
        self.places = real.nonzero()[:, 0][self.tokens[real].argsort()]
        self.padding = ~real
        self._masks: dict[Any, list[Tensor]] = {}

    def masks(self, copies: int, window: int | None, dtype: torch.dtype) -> list[Tensor]:
        """Returns the mask of each group, made once for all layers that see as far."""
        key = copies, window, dtype
        if key not in self._masks:
            self._masks[key] = [group.mask(*key) for group in self.groups]
        return self._masks[key]

    def lay(self, tensor: Tensor) -> list[Tensor]:
        """Returns rows [tokens, ...] of a sequence as the groups have them, [rows, longest, ...]
        each."""
        laid = Laid.apply(tensor, self.tokens, self.places)
        shapes = [group.queries.shape for group in self.groups]
        parts = laid.split([rows * longest for rows, longest in shapes])
        return [part.unflatten(0, shape) for part, shape in zip(parts, shapes, strict=True)]

    def lay_keys(self, tensor: Tensor) -> Iterator[Tensor]:
        """Yields keys or values of each group, [rows, heads, shared + longest, size]."""
        for group, own in zip(self.groups, self.lay(tensor), strict=True):
            ahead = group.real.shape[1] - own.shape[1]
            before = tensor[:ahead].expand(len(own), ahead, *tensor.shape[1:])
            yield torch.cat([before, own], 1).transpose(1, 2)

    def collect(self, parts: list[Tensor]) -> Tensor:
        """Returns results [tokens, ...] in the sequence's order from those of the groups."""
        laid = torch.cat(parts)
        result: Tensor = Laid.apply(laid, self.places, self.tokens, self.padding)
        return result


class Laid(Function):  # type: ignore[misc]  # torch is not type-checked
    """``apply(tensor, there, back, padding)`` returns ``tensor[there]``; ``back`` says where each
    row went, so that its gradient is looked up: autograd's own adds row after row, on one core.
    Rows that ``padding`` marks have none."""

    @staticmethod
    def forward(
        ctx: Any, tensor: Tensor, there: Tensor, back: Tensor, padding: Tensor | None = None
    ) -> Tensor:
        """Keeps places alone."""
        ctx.way = back, padding
        return tensor[there]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Copies each row's."""
        back, padding = ctx.way
        result = gradient[back]
        if padding is not None:
            result[padding] = 0
        return result, None, None, None


def _group(shared: int, conversations: list[tuple[int, int]], device: torch.device) -> Group:
    lengths, starts = torch.tensor(conversations, device=device).T
    place = torch.arange(int(lengths.max()), device=device)
    real = place < lengths[:, None]
    ahead = torch.ones((len(lengths), shared), dtype=torch.bool, device=device)
    return Group((starts[:, None] + place) * real, torch.cat([ahead, real], 1))


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, *,
    groups: Groups, kernel: Callable[..., Tensor], scaling: float | None = None,
    sliding_window: int | None = None, **options: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """Returns attention [1, length, heads, size] in the form that transformers asks for. The heads
    that share keys are queries side by side, so that no key is copied for each (``StudyError`` if
    the model's attention has a part that is not computed here)."""
    if foreign := [name for name in NOT_COMPUTED if options.get(name) is not None]:
        what = f"{type(module).__name__} attends with {foreign[0]}, which is not computed"
        raise StudyError(what, where="tuning.attention", fix="choose a foundation of another kind")
    heads, size, pairs = query.shape[1], query.shape[3], key.shape[1]
    copies, results = heads // pairs, []
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    masks = groups.masks(copies, sliding_window, query.dtype)
    for own, *sides, mask in zip(
        groups.lay(q), groups.lay_keys(k), groups.lay_keys(v), masks, strict=True
    ):
        rows, longest = own.shape[:2]
        asked = own.view(rows, longest, pairs, copies, size).permute(0, 2, 3, 1, 4).flatten(2, 3)
        seen = kernel(asked, *sides, mask, scaling or size**-0.5, **options)
        parted = seen.view(rows, pairs, copies, longest, size).permute(0, 3, 1, 2, 4)
        results.append(parted.reshape(rows * longest, heads, size))
    return groups.collect(results)[None], None


def _eager(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float,
    dropout: float = 0.0, softcap: float | None = None, **_: Any,
) -> Tensor:  # fmt: skip
    scores = query @ key.transpose(-1, -2)
    if softcap:
        scores, scaling = softcap * torch.tanh(scores * (scaling / softcap)), 1.0
    weights = torch.add(mask, scores, alpha=scaling).softmax(-1, dtype=torch.float32)
    weights = weights.to(query.dtype)
    return (torch.dropout(weights, dropout, True) if dropout else weights) @ value


def _sdpa(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float,
    dropout: float = 0.0, **_: Any,
) -> Tensor:  # fmt: skip
    how = {"attn_mask": mask, "dropout_p": dropout, "scale": scaling}
    return torch.nn.functional.scaled_dot_product_attention(query, key, value, **how)


AttentionInterface.register("grouped_eager", partial(attend, kernel=_eager))
AttentionInterface.register("grouped_sdpa", partial(attend, kernel=_sdpa))
