"""What a model thinks of given answers: the log-probability and the rank of every token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

from bayling_study.core.batches import length_batches
from bayling_study.core.progress import Progress
from bayling_study.stages.perplexity.conversations import ConversationTokens

LOGIT_VALUES = 1 << 27
"""Logits computed at once: 256 MiB in 16 bits."""


@dataclass(frozen=True)
class Opinion:
    """Each answer token's negative log-probability, and the most probable token in its place;
    both have shape ``(tokens,)``."""

    nats: NDArray[np.float64]
    best: NDArray[np.int64]


def opinions(
    model: Any, conversations: Sequence[ConversationTokens], batch_tokens: int, name: str = "model"
) -> list[Opinion]:
    """Reads all conversations, longest first, and returns the opinions in their order.

    The transformers model is in evaluation mode. ``batch_tokens`` include padding; one
    conversation is always taken. ``name`` is for the meter.
    """
    capacity = min(batch_tokens, max(1, LOGIT_VALUES // int(model.config.vocab_size)))
    found: dict[int, Opinion] = {}
    with Progress(f"opinions of {name}", len(conversations), "conversations") as progress:
        for batch in length_batches([len(item.ids) for item in conversations], capacity):
            read = _read(model, [conversations[position] for position in batch])
            found.update(zip(batch, read, strict=True))
            progress.update(len(batch))
    return [found[position] for position in range(len(conversations))]


def _read(model: Any, batch: Sequence[ConversationTokens]) -> list[Opinion]:
    """Runs one batch, padded on the right, where causal attention never looks back from."""
    rows = [torch.tensor(conversation.ids, device=model.device) for conversation in batch]
    ids = pad_sequence(rows, batch_first=True)
    real = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=real, use_cache=False).logits
        return [_opinion(logits[row], ids[row], item.mask) for row, item in enumerate(batch)]


def _opinion(logits: Any, ids: Any, mask: list[bool]) -> Opinion:
    """Picks a conversation's answer tokens; position ``t - 1`` predicts token ``t``."""
    positions = torch.tensor([t for t, yes in enumerate(mask) if yes], device=logits.device)
    scores = torch.log_softmax(logits[positions - 1].float(), dim=-1)
    chosen = scores.gather(1, ids[positions].unsqueeze(1)).squeeze(1)
    return Opinion(-chosen.double().cpu().numpy(), scores.argmax(dim=-1).cpu().numpy())
