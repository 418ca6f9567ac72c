"""How well a model ranks held-out damage."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

from comet.models import RegressionMetric
from scipy.stats import kendalltau, spearmanr

from bayling_study.core.records import grouped
from bayling_study.stages.comet.cache import Cache
from bayling_study.stages.comet.dataset import Degraded
from bayling_study.stages.comet.scorer import Scorer

BATCH_TOKENS = 4096


def measure(model: RegressionMetric, rows: list[Degraded]) -> dict[str, Any]:
    """Returns rank correlations of a model's scores with the deserved ones.

    They are ``spearman`` and ``kendall`` over all ``n`` rows, Spearman ``by_direction``, and
    ``by_kind`` of damage the mean score given and deserved.
    """
    with tempfile.TemporaryDirectory() as scratch:
        scorer = Scorer(model, Cache(Path(scratch)), BATCH_TOKENS)
        scores = scorer.score([row.triple for row in rows])
    pairs = list(zip(rows, scores, strict=True))
    by_direction = {
        direction: {"spearman": _rank(spearmanr, members), "n": len(members)}
        for direction, members in sorted(grouped(pairs, lambda pair: pair[0].direction).items())
    }
    by_kind = {}
    for kind, members in sorted(grouped(pairs, lambda pair: pair[0].kind).items()):
        given, deserved = fmean(score for _, score in members), fmean(r.score for r, _ in members)
        by_kind[kind] = {"given": given, "deserved": deserved, "n": len(members)}
    whole = {"spearman": _rank(spearmanr, pairs), "kendall": _rank(kendalltau, pairs)}
    return {**whole, "n": len(rows), "by_direction": by_direction, "by_kind": by_kind}


def _rank(statistic: Callable[..., Any], pairs: list[tuple[Degraded, float]]) -> float:
    """Returns a rank correlation, 0 where either side does not vary."""
    deserved, given = [row.score for row, _ in pairs], [score for _, score in pairs]
    if len(set(deserved)) < 2 or len(set(given)) < 2:
        return 0.0
    return float(statistic(deserved, given).statistic)
