"""The alignment loss of a step: a forward pass over its pairs (``tuning.alignment``), one vector a
text, and contrastive losses on pairs of vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize

from bayling_study.config.alignment import Alignment
from bayling_study.core.errors import StudyError
from bayling_study.stages.tuning.attention import Attention
from bayling_study.stages.tuning.pairs import KEY, Pairs
from bayling_study.stages.tuning.sequences import build_sequence, forward


class Aligner:
    """Computes the loss; every process does so for all pairs of a step, whose number it shares."""

    def __init__(
        self, settings: Alignment, folder: Path, layers: int, device: torch.device, seed: int
    ) -> None:
        """Takes the pairs of a job's ``folder`` (``StudyError`` if the model lacks the block)."""
        try:
            self.block = settings.block(layers)
        except ValueError as error:
            what = f"the foundation has {layers} blocks"
            raise StudyError(what, where=f"{KEY}.layer", fix=f"at most {layers}") from error
        self.settings, self.device = settings, device
        self.pairs = Pairs(folder, settings, seed)

    def loss(self, model: Any, step: int, attention: Attention) -> torch.Tensor:
        """Returns the loss of a step's pairs, in nats an anchor, without its weight. The output
        layer takes part with a factor of 0, so that at every ZeRO stage each parameter has a
        gradient in each backward pass."""
        texts = self.pairs.texts(step)
        packed = build_sequence([(ids, np.zeros(len(ids), bool)) for ids, _ in texts], self.device)
        first = torch.zeros(1, dtype=torch.int64, device=self.device)
        output = forward(model, packed, attention, first, output_hidden_states=True)
        hidden = output.hidden_states[self.block][0, : packed.real]
        pooled = torch.from_numpy(np.concatenate([part for _, part in texts])).to(self.device)
        vectors = pool(hidden, packed.segments, pooled, self.settings)
        half = len(vectors) // 2
        loss = contrastive_loss(vectors[:half], vectors[half:], self.settings)
        return loss + output.logits.float().sum() * 0.0


def contrastive_loss(a: torch.Tensor, b: torch.Tensor, settings: Alignment) -> torch.Tensor:
    """Returns the InfoNCE loss in nats an anchor (van den Oord et al. 2018, arXiv 1807.03748). Rows
    of ``a`` and ``b`` [pairs, width] belong together. ``direction: all`` is the form of SimCLR
    (Chen et al. 2020, arXiv 2002.05709): no text is its own wrong answer."""
    a, b = a.float(), b.float()
    if settings.similarity == "cosine":
        a, b = normalize(a, dim=-1), normalize(b, dim=-1)
    places = torch.arange(len(a), device=a.device)
    if settings.direction == "all":
        both = torch.cat([a, b])
        scores = both @ both.T / settings.temperature
        scores = scores.masked_fill(torch.eye(len(both), device=a.device, dtype=torch.bool), -1e30)
        return cross_entropy(scores, torch.cat([places + len(a), places]))
    scores = a @ b.T / settings.temperature
    forth = cross_entropy(scores, places)
    return forth if settings.direction == "one" else (forth + cross_entropy(scores.T, places)) / 2


def pool(
    hidden: torch.Tensor, texts: torch.Tensor, pooled: torch.Tensor, settings: Alignment
) -> torch.Tensor:
    """Returns fp32 vectors [n, width] of the texts 0 … n − 1 in a packed sequence. ``hidden`` is
    [length, width], ``texts`` int64 [length] the number of each token's text, ``pooled`` bool
    [length] whether it counts; every text has a token that does."""
    hidden, texts = hidden[pooled].float(), texts[pooled]
    counts = torch.bincount(texts)
    if settings.pooling == "last":
        return hidden[counts.cumsum(0) - 1]
    sums = torch.zeros(len(counts), hidden.shape[1], device=hidden.device)
    return sums.index_add(0, texts, hidden) / counts[:, None]
