"""The audit of a training set: what is in it, how long it is, what was left out and why.

Keys of ``audit.json`` besides the counts ``by_…``:

| key | content |
|---|---|
| ``wanted`` | conversations asked for, by ``RECIPE/DIRECTION`` |
| ``tokens`` | lengths in the mixture's template, counted with the foundation's tokenizer; of large mixtures estimated from one conversation in ``sample`` |
| ``segments`` | aligned rows at hand, used, and how often |
| ``listed_terms`` | term list to its entries of which a block had both sides; only where there are any |
| ``switched`` | drafts of ``code-switch``: their sentences, those left as they were, words, and words exchanged; of the ``entity-`` recipes: names, and names exchanged (true switches); only where there are any |
| ``rejected`` | stage to ``{reason, count, samples}``: rows of the ``corpora``, turns (``demands``), conversations (``mixture``); the reason of an overlap names the foldings that it needed |
| ``contamination`` | suite to the aligned rows and the conversations removed because of it |
| ``duplicates`` | conversations left out because another one has the same text |
| ``mask_samples`` | recipe to samples ``{"spans": [[text, supervised], …]}`` in training order: the text of each token and whether the loss counts it |
"""  # noqa: E501

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from bayling_study.config.systems import TemplateName
from bayling_study.shared import templates
from bayling_study.shared.interactive.dialogue import Rejections
from bayling_study.stages.synthesis.mixture import FinishedMixture
from bayling_study.stages.synthesis.tally import MixtureTally

BINS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)
"""Upper bounds of the length histogram, in tokens; the last bin is open."""
UNREADABLE = "\ufffd"  # what a token that is only part of a character decodes to


def audit(made: FinishedMixture, tokenizer: Any, template: TemplateName) -> dict[str, Any]:
    """Returns the audit as plain values."""
    tally = made.tally
    counted = made.rejections.get("mixture", Rejections()).counts.items()
    inside = (n for reason, n in counted if reason.endswith(": duplicate"))  # of single blocks
    return {
        "conversations": tally.conversations,
        "wanted": made.wanted,
        **{f"by_{name}": sorted_counts(counts) for name, counts in tally.counts.items()},
        "tokens": _tokens(tally),
        "segments": _segments(made),
        **({"listed_terms": sorted_counts(made.listed)} if made.listed else {}),
        **({"switched": sorted_counts(made.switched)} if made.switched else {}),
        "rejected": {stage: _rejected(found) for stage, found in made.rejections.items()},
        "contamination": {
            suite: {what: n[suite] for what, n in made.removed.items()} for suite in made.suites
        },
        "duplicates": sum(inside) + sum(tally.duplicates.values()),
        "mask_samples": {
            recipe: [{"spans": mask_spans(tokenizer, template, m)} for m in samples]
            for recipe, samples in sorted(tally.samples.items())
        },
    }


def mask_spans(
    tokenizer: Any, template: TemplateName, messages: list[dict[str, str]]
) -> list[list[Any]]:
    """Returns a conversation's tokens as ``[text, supervised]``. Tokens that only together are a
    character stand together: the mask changes only where an answer begins and ends."""
    ids, mask = templates.encode(tokenizer, template, messages)
    spans: list[list[Any]] = []
    held: list[int] = []
    for number, supervised in zip(ids, mask, strict=True):
        held.append(number)
        text = tokenizer.decode(held)
        if not text.endswith(UNREADABLE) or len(held) > 4:
            spans.append([text, supervised])
            held = []
    if held:
        spans.append([tokenizer.decode(held), mask[-1]])
    return spans


def sorted_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Returns counts, the largest first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def histogram(counts: npt.NDArray[np.int64]) -> list[dict[str, int | None]]:
    """Returns bins ``{"to", "count"}`` of the numbers of conversations of each length from 0 up.
    ``to`` is the last length in a bin, or none."""
    edges = [0, *(end + 1 for end in BINS), max(len(counts), BINS[-1] + 2)]
    sums = [int(counts[start:end].sum()) for start, end in pairwise(edges)]
    bins: list[int | None] = [*BINS, None]
    return [{"to": end, "count": n} for end, n in zip(bins, sums, strict=True) if n]


def _tokens(tally: MixtureTally) -> dict[str, Any]:
    longest = max((len(counts) for counts in tally.lengths.values()), default=0)
    whole = np.zeros(longest, np.int64)
    by_recipe = {}
    for recipe, counts in sorted(tally.lengths.items()):
        if counts.any():
            scale = tally.counts["recipe"][recipe] / int(counts.sum())
            scaled = np.round(counts * scale).astype(np.int64)
            whole[: len(counts)] += scaled
            by_recipe[recipe] = _lengths(scaled, round(tally.supervised[recipe] * scale))
    real = int(whole @ np.arange(len(whole)))
    supervised = sum(int(row["supervised"]) for row in by_recipe.values())
    return {
        "sample": tally.sample,
        "real": real,
        "supervised": supervised,
        "supervised_share": round(supervised / real, 4) if real else 0.0,
        "truncated": 0,  # a conversation that is too long is rejected, never cut
        "by_recipe": by_recipe,
        "histogram": histogram(whole),
    }


def _lengths(counts: npt.NDArray[np.int64], supervised: int) -> dict[str, float]:
    real = int(counts @ np.arange(len(counts)))
    return {
        "real": real,
        "supervised": supervised,
        "supervised_share": round(supervised / real, 4),
        "median": float(np.searchsorted(np.cumsum(counts), counts.sum() / 2)),
        "longest": int(np.flatnonzero(counts)[-1]),
    }


def _segments(made: FinishedMixture) -> dict[str, int]:
    uses = {draws: count for draws, count in made.uses.items() if draws and count}
    return {
        "training_rows": made.rows,
        "used": sum(uses.values()),
        "draws": sum(draws * count for draws, count in uses.items()),
        "most_draws_of_one": max(uses, default=0),
    }


def _rejected(found: Rejections) -> list[dict[str, Any]]:
    return [
        {"reason": reason, "count": count, "samples": found.samples.get(reason, [])}
        for reason, count in sorted_counts(found.counts).items()
    ]
