"""What blocks did not make, so that others can: shortfalls, and what two blocks made alike. A
block's material runs out before its quota, or it makes a conversation that another has made too, of
which only the first stays (``order.merge``). Memory: 8 bytes per conversation."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bayling_study.stages.synthesis.counts import apportion
from bayling_study.stages.synthesis.hashing import Hashes

LEAST = 64
"""Conversations that a block makes for others at least, if so many are missing: it is read
and indexed again for them."""


class Want(NamedTuple):
    """A sort of conversation that can be made in several blocks. ``direction`` is empty for
    undirected recipes, ``language`` (of upstream conversations) for all languages and for aligned
    text."""

    recipe: str
    direction: str
    language: str = ""


class Shortage:
    """Counts what is missing after each round."""

    def __init__(self) -> None:
        self._wants: list[Want] = []
        self._keys: list[Hashes] = []
        self._counted = 0
        self._exhausted: set[tuple[int, str, str]] = set()
        self._missing: Counter[Want] = Counter()

    def note(self, want: Want, count: int, keys: Hashes, block: int | None = None) -> None:
        """Notes the keys of what was made of so many, and the block of aligned rows, if any. A
        block that made fewer has nothing more of that sort."""
        self._wants.append(want)
        self._keys.append(keys)
        if short := count - len(keys):
            self._missing[want] += short
            if block is not None:
                self._exhausted.add((block, want.recipe, want.direction))

    def divided(
        self, missing: Mapping[Want, int], sizes: Sequence[Mapping[str, int]]
    ) -> dict[int, dict[tuple[str, str], int]]:
        """Divides what is missing of directions over the largest blocks that have some left.
        ``sizes`` has the segments of each direction in each block of aligned rows. Returns block
        number to the count of each recipe and direction."""
        result: dict[int, dict[tuple[str, str], int]] = defaultdict(dict)
        for (recipe, direction, _), count in missing.items():
            room = {
                number: float(of[direction])
                for number, of in enumerate(sizes)
                if of.get(direction) and (number, recipe, direction) not in self._exhausted
            }
            largest = sorted(room, key=lambda number: (-room[number], number))
            chosen = {number: room[number] for number in largest[: -(-count // LEAST)]}
            for number, part in apportion(count, chosen).items():
                if part:
                    result[number][recipe, direction] = part
        return result

    def take(self) -> Mapping[Want, int]:
        """Returns what has become missing since it was last asked for."""
        keys = np.concatenate([np.empty(0, np.uint64), *self._keys])
        owners = np.repeat(np.arange(len(self._keys)), [len(part) for part in self._keys])
        order = np.argsort(keys, kind="stable")
        again = order[1:][keys[order[1:]] == keys[order[:-1]]]
        for number in np.sort(owners[again[again >= self._counted]]):
            self._missing[self._wants[number]] += 1  # a new conversation repeats an earlier one
        self._counted = len(keys)
        missing, self._missing = self._missing, Counter()
        return missing

    def save(self, path: Path) -> Path:
        """Writes the keys of all that was made, sorted, for later rounds to avoid."""
        np.save(path, np.unique(np.concatenate([np.empty(0, np.uint64), *self._keys])))
        return path
