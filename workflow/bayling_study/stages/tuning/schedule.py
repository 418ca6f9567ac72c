"""Order and learning rate as functions of the step, so that a resumed run needs no state."""

import math
from collections.abc import Callable, Sequence

from bayling_study.config.tuning import TuningSection
from bayling_study.core.seeds import generator

Order = Callable[[int], Sequence[int]]
"""Epoch, counted from 0, to its conversations by index; the same at every call.

It depends on the data, the settings and the seed, never on the number of processes."""


def shuffled(count: int, seed: int) -> Order:
    """Returns an order with one seeded permutation of ``count`` conversations an epoch."""

    def epoch(number: int) -> list[int]:
        places = list(range(count))
        generator(seed, "tuning", "order", str(number)).shuffle(places)
        return places

    return epoch


def learning_rate(settings: TuningSection, step: int, steps: int) -> float:
    """Returns the rate of a step counted from 0. It rises linearly over the first ``warmup_share``
    of the steps and then falls to zero behind the last step (cosine or linear) or stays
    (constant)."""
    warmup = math.ceil(settings.warmup_share * steps)
    peak = settings.learning_rate
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    if settings.schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * progress))
    if settings.schedule == "linear":
        return peak * (1 - progress)
    return peak
