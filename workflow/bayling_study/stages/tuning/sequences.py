"""A packed sequence as tensors, and its loss.

Positions restart at zero in every conversation, and attention is causal inside a conversation and
closed between them. Tokens that all conversations start with (a template's
system text) stand once at the sequence's start, seen by all: causal attention makes them the same
in each, so this changes no number and saves their copies. The output layer is computed only where
a token is supervised, which saves most of its cost; logits are compared in fp32.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from bayling_study.stages.tuning.attention import FILLING, Attention, filled, inside_conversations
from bayling_study.stages.tuning.fused import SummedCrossEntropy
from bayling_study.stages.tuning.grouped import SHARED

Tokenised = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class PackedSequence:
    """One packed sequence on a device.

    Attributes:
        tokens: int64 [1, length] ids; at least one token.
        positions: int64 [1, length], restarting at each conversation.
        segments: int64 [length] number of the conversation, or ``SHARED`` for their common start.
        keep: int64 [supervised] positions whose next token is supervised.
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


def build_sequence(
    conversations: Sequence[Tokenised], device: torch.device | str, prefix: int = 0
) -> PackedSequence:
    """Lays conversations (ids and mask) behind each other; none gives a sequence without a loss.
    The first ``prefix`` tokens, which are the same in all, stand once."""
    if not conversations:
        one, none = (torch.zeros(size, dtype=torch.int64, device=device) for size in (1, 0))
        return PackedSequence(one[None], one[None], one, none, none, real=0)
    head = conversations[0][0][:prefix]
    tokens, positions = [head], [np.arange(prefix)]
    segments, keep = [np.full(prefix, SHARED)], []
    start = prefix
    for number, (ids, mask) in enumerate(conversations):
        tokens.append(ids[prefix:])
        positions.append(np.arange(prefix, len(ids)))
        segments.append(np.full(len(ids) - prefix, number))
        # A position predicts the next token of the same conversation; the last one predicts none.
        keep.append(np.flatnonzero(mask[prefix + 1 :]) + start)
        start += len(ids) - prefix
    parts = (np.concatenate(part).astype(np.int64) for part in (tokens, positions, segments, keep))
    one, places, owners, kept = (torch.from_numpy(part).to(device) for part in parts)
    return PackedSequence(one[None], places[None], owners, kept, targets=one[kept + 1], real=start)


def fill(packed: PackedSequence, attention: Attention) -> PackedSequence:
    """Returns a sequence padded to the length that a kernel wants with tokens that no one sees."""
    missing = filled(packed.tokens.shape[1], attention) - packed.tokens.shape[1]
    if not missing:
        return packed
    pad = partial(torch.nn.functional.pad, pad=(0, missing))
    tokens, positions = pad(packed.tokens), pad(packed.positions)
    segments = pad(packed.segments, value=FILLING)
    return replace(packed, tokens=tokens, positions=positions, segments=segments)


def forward(
    model: Any, packed: PackedSequence, attention: Attention, keep: torch.Tensor, **asked: bool
) -> Any:
    """Returns the model's output, its logits [1, len(keep), vocabulary] at the given positions of
    a packed sequence; ``asked`` names what else it returns."""
    packed = fill(packed, attention)
    return model(
        input_ids=packed.tokens,
        position_ids=packed.positions,
        logits_to_keep=keep,
        use_cache=False,
        **inside_conversations(packed.segments, attention),
        **asked,
    )


def sequence_logits(
    model: Any, packed: PackedSequence, attention: Attention, keep: torch.Tensor
) -> torch.Tensor:
    """Returns fp32 logits [len(keep), vocabulary] at the given positions of a packed sequence."""
    logits: torch.Tensor = forward(model, packed, attention, keep).logits[0].float()
    return logits


def sequence_loss(model: Any, packed: PackedSequence, attention: Attention) -> torch.Tensor:
    """Returns the summed cross-entropy of a sequence's supervised tokens, in nats. A sequence
    without supervised tokens gives a zero that still runs backward through the model, because all
    processes must take part in every collective operation."""
    if not packed.supervised:
        first = torch.zeros(1, dtype=torch.int64, device=packed.tokens.device)
        return sequence_logits(model, packed, attention, first).sum() * 0.0
    logits = forward(model, packed, attention, packed.keep).logits[0]
    loss: torch.Tensor = SummedCrossEntropy.apply(logits, packed.targets)
    return loss
