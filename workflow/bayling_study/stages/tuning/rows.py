"""A packed row as tensors, and its loss.

Every conversation in a row sees only itself: positions restart at zero, and the
attention mask is causal inside a conversation and closed between them. Tokens
that all conversations start with (a template's system text) stand once at the
row's start, seen by all: causal attention makes them the same in each, so this
changes no number and saves their copies. The output layer is computed only where
a token is supervised, which saves most of its cost with a large vocabulary; logits
are compared in fp32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from bayling_study.stages.tuning.attention import FILLING, SHARED, Attention, attention_mask, filled

Conversation = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class PackedRow:
    """One row on a device.

    Attributes:
        tokens: int64 [1, length] ids; at least one token.
        positions: int64 [1, length], restarting at each conversation.
        segments: int64 [length] number of the conversation in the row; ``SHARED`` for the
            start that all of them have in common.
        keep: int64 [supervised] places whose next token is supervised.
        targets: int64 [supervised] those next tokens.
        real: number of tokens computed for conversations, shared ones once.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    keep: torch.Tensor
    targets: torch.Tensor
    real: int

    @property
    def supervised(self) -> int:
        """Number of supervised tokens."""
        return len(self.targets)


def build_row(
    conversations: Sequence[Conversation], device: torch.device | str, prefix: int = 0
) -> PackedRow:
    """Lays conversations (ids and mask) behind each other; none gives a row without a loss.

    Args:
        conversations: ids and mask of each.
        device: of the tensors.
        prefix: number of first tokens that are the same in all and are to stand once.
    """
    if not conversations:
        return _empty_row(device)
    head = conversations[0][0][:prefix]
    tokens, positions = [head], [np.arange(prefix)]
    segments, keep = [np.full(prefix, SHARED)], []
    start = prefix
    for number, (ids, mask) in enumerate(conversations):
        tokens.append(ids[prefix:])
        positions.append(np.arange(prefix, len(ids)))
        segments.append(np.full(len(ids) - prefix, number))
        # A place predicts the next token of the same conversation; the last one predicts none.
        keep.append(np.flatnonzero(mask[prefix + 1 :]) + start)
        start += len(ids) - prefix
    flat = [
        torch.from_numpy(np.concatenate(part).astype(np.int64)).to(device)
        for part in (tokens, positions, segments, keep)
    ]
    return PackedRow(
        tokens=flat[0][None],
        positions=flat[1][None],
        segments=flat[2],
        keep=flat[3],
        targets=flat[0][flat[3] + 1],
        real=start,
    )


def _empty_row(device: torch.device | str) -> PackedRow:
    one, none = (torch.zeros(size, dtype=torch.int64, device=device) for size in (1, 0))
    return PackedRow(one[None], one[None], one, none, none, real=0)


def fill(row: PackedRow, attention: Attention) -> PackedRow:
    """Returns a row with the length that a kernel wants, filled up with tokens that no one sees."""
    missing = filled(row.tokens.shape[1], attention) - row.tokens.shape[1]
    if not missing:
        return row
    return replace(
        row,
        tokens=torch.nn.functional.pad(row.tokens, (0, missing)),
        positions=torch.nn.functional.pad(row.positions, (0, missing)),
        segments=torch.nn.functional.pad(row.segments, (0, missing), value=FILLING),
    )


def row_logits(
    model: Any, row: PackedRow, attention: Attention, dtype: torch.dtype, keep: torch.Tensor
) -> torch.Tensor:
    """Returns fp32 logits [len(keep), vocabulary] at the given places of a row."""
    row = fill(row, attention)
    output = model(
        input_ids=row.tokens,
        position_ids=row.positions,
        attention_mask=attention_mask(row.segments, attention, dtype),
        logits_to_keep=keep,
        use_cache=False,
    )
    return output.logits[0].float()


def row_loss(model: Any, row: PackedRow, attention: Attention, dtype: torch.dtype) -> torch.Tensor:
    """Returns the summed cross-entropy of a row's supervised tokens, in nats.

    A row without supervised tokens gives a zero that still runs backward through the
    model, because all processes must take part in every collective operation.
    """
    if not row.supervised:
        first = torch.zeros(1, dtype=torch.int64, device=row.tokens.device)
        return row_logits(model, row, attention, dtype, first).sum() * 0.0
    logits = row_logits(model, row, attention, dtype, row.keep)
    return torch.nn.functional.cross_entropy(logits, row.targets, reduction="sum")
