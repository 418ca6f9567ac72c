"""Attention that stays inside a conversation because only its own tokens are laid together.

With a mask over a whole packed sequence, almost all scores are computed to be thrown away: of
sixteen conversations of like length, fifteen in sixteen. Here each conversation is a row of a
batch, its keys the shared start and its own tokens, and conversations of like length are computed
together. So a sequence can be as long as memory allows, and its work grows with its tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
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
        keys: int64 [rows, shared + longest] the same with the shared start before them.
        real: bool [rows, shared + longest] which keys are no padding.
    """

    queries: Tensor
    keys: Tensor
    real: Tensor

    def mask(self, copies: int, window: int | None, dtype: torch.dtype) -> Tensor:
        """Returns 0 or the lowest number [rows, 1, copies * longest, keys] for each query's view of
        each key; a query sees keys up to its own, and at most ``window`` of them."""
        longest, keys = self.queries.shape[1], self.keys.shape[1]
        own = torch.arange(keys - longest, keys, device=self.keys.device)
        distance = own[:, None] - torch.arange(keys, device=self.keys.device)
        seen = (distance >= 0) & (distance < (window or keys)) & self.real[:, None]
        closed = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
        return closed.masked_fill_(~seen, torch.finfo(dtype).min).repeat(1, copies, 1)[:, None]


class Groups:
    """How a packed sequence is laid out for attention, the same in every layer: groups, and for
    each token the place of its result in those of all groups."""

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
        found = torch.cat([group.queries[_own(group)] for group in self.groups])
        real = torch.cat([_own(group).flatten() for group in self.groups])
        self.places = real.nonzero()[:, 0][found.argsort()]
        self._masks: dict[Any, list[Tensor]] = {}

    def masks(self, copies: int, window: int | None, dtype: torch.dtype) -> list[Tensor]:
        """Returns the mask of each group, made once for all layers that see as far."""
        key = copies, window, dtype
        if key not in self._masks:
            self._masks[key] = [group.mask(*key) for group in self.groups]
        return self._masks[key]


def _own(group: Group) -> Tensor:
    return group.real[:, -group.queries.shape[1] :]


def _group(shared: int, conversations: list[tuple[int, int]], device: torch.device) -> Group:
    lengths, starts = torch.tensor(conversations, device=device).T
    place = torch.arange(int(lengths.max()), device=device)
    real = place < lengths[:, None]
    queries = (starts[:, None] + place) * real
    before = torch.arange(shared, device=device).expand(len(lengths), shared)
    ahead = torch.ones_like(before, dtype=torch.bool)
    return Group(queries, torch.cat([before, queries], 1), torch.cat([ahead, real], 1))


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
    for group, mask in zip(groups.groups, masks, strict=True):
        rows, longest = group.queries.shape
        own = q[group.queries].view(rows, longest, pairs, copies, size).permute(0, 2, 3, 1, 4)
        sides = (tensor[group.keys].transpose(1, 2) for tensor in (k, v))
        seen = kernel(own.flatten(2, 3), *sides, mask, scaling or size**-0.5, **options)
        parted = seen.view(rows, pairs, copies, longest, size).permute(0, 3, 1, 2, 4)
        results.append(parted.reshape(rows * longest, heads, size))
    return torch.cat(results)[groups.places][None], None


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
