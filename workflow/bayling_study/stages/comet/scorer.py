"""Scores of many systems that share sources and references, each text or triple computed once.

A COMET regression model encodes source, hypothesis and reference apart and feeds the three vectors
to a small network (``RegressionMetric.forward``). So a text's vector is computed once, wherever it
occurs, by the model's own ``get_sentence_embedding``, and its ``estimate`` combines the vectors.
Other classes read a segment's texts together (XCOMET, CometKiwi) or leave the reference out: they
prepare and predict by their own code, for XCOMET's score counts the error spans that it finds, too.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from comet.models import CometModel
from torch.nn.utils.rnn import pad_sequence

from bayling_study.core.batches import length_batches
from bayling_study.core.progress import Progress
from bayling_study.stages.comet.cache import Cache, Triple, text_key

ESTIMATE_ROWS = 4096


class Scorer:
    """A loaded model; ``encoded`` texts (or ``JointScorer`` triples) took ``encoding_seconds``."""

    def __init__(self, model: CometModel, cache: Cache, batch_tokens: int) -> None:
        self.model = model
        self.cache = cache
        self.batch_tokens = batch_tokens
        self.encoded = 0
        self.encoding_seconds = 0.0

    def score(self, triples: Sequence[Triple]) -> list[float]:
        """Returns one score per triple; each distinct triple is computed at most once, ever."""
        missing = [row for row in dict.fromkeys(triples) if text_key(*row) not in self.cache.scores]
        if missing:
            self.cache.add("scores", self._computed(missing))
        return [float(self.cache.scores[text_key(*triple)]) for triple in triples]

    def _computed(self, triples: Sequence[Triple]) -> dict[bytes, Any]:
        """Returns the score of each triple, by its key."""
        vectors = self._vectors(triples)
        estimator = next(self.model.estimator.parameters())
        scores: dict[bytes, Any] = {}
        for start in range(0, len(triples), ESTIMATE_ROWS):
            part = triples[start : start + ESTIMATE_ROWS]
            columns = [np.stack([vectors[t] for t in texts]) for texts in zip(*part, strict=True)]
            with torch.inference_mode():
                inputs = (torch.from_numpy(column).to(estimator) for column in columns)
                found = self.model.estimate(*inputs).score.float().cpu().numpy()
            scores |= {text_key(*row): score for row, score in zip(part, found, strict=True)}
        return scores

    def _vectors(self, triples: Sequence[Triple]) -> dict[str, Any]:
        """Returns the vector of each distinct text, from the cache or the encoder."""
        texts = list(dict.fromkeys(text for triple in triples for text in triple))
        known = self.cache.embeddings
        vectors = {text: known[key] for text in texts if (key := text_key(text)) in known}
        vectors |= self.encode([text for text in texts if text not in vectors])
        shared = {text for triple in triples for text in (triple.source, triple.reference)}
        new = {key: vectors[text] for text in shared if (key := text_key(text)) not in known}
        self.cache.add("embeddings", new)
        return vectors

    def encode(self, texts: Sequence[str]) -> dict[str, Any]:
        """Returns the fp32 sentence embedding of each text."""
        if not texts:
            return {}
        start = time.monotonic()
        tokens = self._tokens(texts)
        vectors: dict[str, Any] = {}
        with Progress("encoding", len(texts), "texts") as progress:
            for batch in length_batches([len(row) for row in tokens], self.batch_tokens):
                found = self._embed([tokens[index] for index in batch])
                vectors |= {texts[index]: row for index, row in zip(batch, found, strict=True)}
                progress.update(len(batch))
        self.encoded += len(texts)
        self.encoding_seconds += time.monotonic() - start
        return vectors

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenises as ``comet.encoders.base.Encoder.prepare_sample`` does, without padding."""
        encoder = self.model.encoder
        rows = encoder.tokenizer(list(texts), truncation=True, max_length=encoder.max_positions - 2)
        return list(rows["input_ids"])

    def _embed(self, rows: Sequence[list[int]]) -> Any:
        """Returns the embeddings of one padded batch, (rows, width)."""
        padding = self.model.encoder.tokenizer.pad_token_id
        tensors = [torch.tensor(row) for row in rows]
        ids = pad_sequence(tensors, batch_first=True, padding_value=padding)
        mask = pad_sequence([torch.ones_like(row) for row in tensors], batch_first=True)
        inputs = (part.to(self.model.device) for part in (ids, mask))
        with torch.inference_mode():
            return self.model.get_sentence_embedding(*inputs).float().cpu().numpy()


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
