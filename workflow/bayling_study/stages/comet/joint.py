"""Scores of models that read a segment's texts together, such as XCOMET and CometKiwi.

Unified models put hypothesis, source and reference into one sequence, so no text's vector can be
used again; referenceless ones leave the reference out. Both prepare and predict by their own code,
``prepare_sample`` and ``predict_step``: XCOMET's score counts the error spans that it finds, too.
"""

import time
from collections.abc import Sequence
from typing import Any

import torch

from bayling_study.core.batches import length_batches
from bayling_study.core.progress import Progress
from bayling_study.stages.comet.cache import Triple, text_key
from bayling_study.stages.comet.scorer import Scorer


class JointScorer(Scorer):
    """A loaded model of any class but ``regression_metric``; each triple is computed once, ever."""

    def _computed(self, triples: Sequence[Triple]) -> dict[bytes, Any]:
        start = time.monotonic()
        columns = [self._tokens(column) for column in zip(*triples, strict=True)]
        lengths = [sum(map(len, texts)) for texts in zip(*columns, strict=True)]
        scores: dict[bytes, Any] = {}
        with Progress("scoring", len(triples), "segments") as progress:
            for batch in length_batches(lengths, self.batch_tokens):
                rows = [triples[index] for index in batch]
                scores |= zip((text_key(*row) for row in rows), self._scores(rows), strict=True)
                progress.update(len(batch))
        self.encoded += len(triples)
        self.encoding_seconds += time.monotonic() - start
        return scores

    def _scores(self, rows: Sequence[Triple]) -> Any:
        samples = [{"src": r.source, "mt": r.hypothesis, "ref": r.reference} for r in rows]
        inputs = self.model.prepare_sample(samples, stage="predict")
        inputs = self.model.transfer_batch_to_device(inputs, self.model.device, 0)
        with torch.inference_mode():
            return self.model.predict_step(inputs)["scores"].float().cpu().numpy()
