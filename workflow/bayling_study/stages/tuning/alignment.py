"""The alignment loss of a step: a forward pass over its pairs (``tuning.alignment``)."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from bayling_study.config.alignment import Alignment
from bayling_study.core.errors import StudyError
from bayling_study.stages.tuning.attention import Attention
from bayling_study.stages.tuning.contrastive import contrastive_loss, pool
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

    def loss(self, model: Any, step: int, attention: Attention, dtype: torch.dtype) -> torch.Tensor:
        """Returns the loss of a step's pairs, in nats an anchor, without its weight. The output
        layer takes part with a factor of 0, so that at every ZeRO stage each parameter has a
        gradient in each backward pass."""
        texts = self.pairs.texts(step)
        packed = build_sequence([(ids, np.zeros(len(ids), bool)) for ids, _ in texts], self.device)
        first = torch.zeros(1, dtype=torch.int64, device=self.device)
        output = forward(model, packed, attention, dtype, first, output_hidden_states=True)
        hidden = output.hidden_states[self.block][0, : packed.real]
        pooled = torch.from_numpy(np.concatenate([part for _, part in texts])).to(self.device)
        vectors = pool(hidden, packed.segments, pooled, self.settings)
        half = len(vectors) // 2
        loss = contrastive_loss(vectors[:half], vectors[half:], self.settings)
        return loss + output.logits.float().sum() * 0.0
