"""Two models' opinions of the same tokens, compared with intervals. Perplexity is exp of the mean
negative log-probability over all answer tokens of all conversations. Intervals are percentiles of a
bootstrap over conversations, the units that were drawn; both systems share every resample, which is
what makes the difference's interval a paired one."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bayling_study.config.evaluation import BootstrapSection
from bayling_study.core.errors import StudyError
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.metrics.measurement import Array
from bayling_study.shared.metrics.resampling import interval
from bayling_study.stages.perplexity.measure import Opinion


def compare(
    base: Sequence[Opinion], export: Sequence[Opinion], bootstrap: BootstrapSection, seed: int
) -> dict[str, Any]:
    """Compares opinions of an export and its base on the same conversations in the same order.

    Returns ``base`` and ``export``, each ``{perplexity, low, high, bits}`` (bits a token);
    ``difference`` of the perplexities, export minus base, ``{value, low, high}``; ``n``
    conversations, ``tokens``, ``top1_agreement`` (share of places where both find the same token
    most probable) and ``mean_nats_change`` (mean absolute change of a token's log-probability).
    Probabilities that are not numbers are a ``StudyError``.
    """
    tokens = np.array([len(opinion.nats) for opinion in base], dtype=np.float64)
    sums = np.array([[opinion.nats.sum() for opinion in side] for side in (base, export)])
    if not np.isfinite(sums).all():
        fix = "generation: {precision: bf16}   (fp16 overflows in some models)"
        raise StudyError("a model gives probabilities that are not numbers", fix=fix)
    size, chance = len(tokens), np.random.default_rng(derive_seed(seed, "perplexity", "bootstrap"))
    # how often each conversation is in each resample, (samples, conversations)
    weights = chance.multinomial(size, np.full(size, 1 / size), size=bootstrap.samples)
    resamples = _perplexities(sums, tokens, weights.astype(np.float64))
    values = _perplexities(sums, tokens, np.ones((1, len(tokens))))[:, 0]
    sides = [
        {"perplexity": float(value), **_interval(drawn, bootstrap), "bits": math.log2(value)}
        for value, drawn in zip(values, resamples, strict=True)
    ]
    change = _interval(resamples[1] - resamples[0], bootstrap)
    before, after = (np.concatenate([o.nats for o in side]) for side in (base, export))
    best = [np.concatenate([o.best for o in side]) for side in (base, export)]
    return {
        "base": sides[0],
        "export": sides[1],
        "difference": {"value": float(values[1] - values[0]), **change},
        "n": len(tokens),
        "tokens": int(tokens.sum()),
        "top1_agreement": float(np.mean(best[0] == best[1])),
        "mean_nats_change": float(np.mean(np.abs(after - before))),
    }


def _perplexities(sums: Array, tokens: Array, weights: Array) -> Array:
    """Returns the perplexity of each side on each resample, ``(2, samples)``."""
    return np.exp((sums @ weights.T) / (tokens @ weights.T))


def _interval(values: Array, bootstrap: BootstrapSection) -> dict[str, float]:
    low, high = interval(values, bootstrap.confidence)
    return {"low": low, "high": high}
