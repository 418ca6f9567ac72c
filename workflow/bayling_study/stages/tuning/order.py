"""The order in which conversations are learnt: one list of all of them an epoch.

It depends on the data, the settings and the seed, never on the number of
processes. ``Schedule`` lays the epochs behind each other and cuts steps from
this stream.
"""

from collections.abc import Callable, Sequence

from bayling_study.core.seeds import generator

Order = Callable[[int], Sequence[int]]
"""Epoch, counted from 0, to its conversations by index; the same at every call."""


def shuffled(count: int, seed: int) -> Order:
    """Returns an order with one seeded permutation of ``count`` conversations an epoch."""

    def epoch(number: int) -> list[int]:
        places = list(range(count))
        generator(seed, "tuning", "order", str(number)).shuffle(places)
        return places

    return epoch
