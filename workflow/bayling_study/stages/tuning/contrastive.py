"""Contrastive losses on pairs of vectors, and how a text becomes one vector."""

import torch
from torch.nn.functional import cross_entropy, normalize

from bayling_study.config.alignment import Alignment


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
