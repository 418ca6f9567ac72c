"""The fixed batch: which conversations a step learns from, and in which rows.

The order of conversations is a stream: one seeded permutation an epoch, one
behind the other. Step ``s`` takes the conversations ``s·batch … (s+1)·batch − 1``
of that stream. Neither depends on the number of processes. Only then a step's
conversations are packed into rows and the rows given to processes, and because
attention never crosses a conversation and the loss is summed over tokens, any
packing and any number of processes gives the same step.

A row is as long as its conversations together, so there is no padding at all.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from bayling_study.errors import StudyError
from bayling_study.seeds import generator

Row = list[int]
"""Indices of the conversations in one row; empty for a row that only keeps processes in step."""


class Schedule:
    """The steps of a training run.

    Args:
        lengths: tokens of each conversation.
        batch: conversations a step.
        epochs: passes over the conversations.
        max_steps: upper bound of the number of steps, or none.
        capacity: tokens of a row at most.
        prefixes: first tokens of each conversation that it shares with all others of the same
            number and that a row holds once; none means no sharing.
        processes: number of processes.
        seed: of the study.

    Raises:
        StudyError: a step has fewer conversations than there are processes.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        batch: int,
        epochs: float,
        max_steps: int | None,
        capacity: int,
        prefixes: Sequence[int] | None = None,
        processes: int,
        seed: int,
    ) -> None:
        check_batch(batch, processes)
        self.prefixes = [0] * len(lengths) if prefixes is None else list(prefixes)
        self.own = [length - shared for length, shared in zip(lengths, self.prefixes, strict=True)]
        self.batch = batch
        self.capacity = capacity
        self.processes = processes
        self.seed = seed
        whole = math.ceil(epochs * len(lengths) / batch)
        self.steps = whole if max_steps is None else min(whole, max_steps)
        self._orders: dict[int, list[int]] = {}

    def conversations(self, step: int) -> list[int]:
        """Returns the conversations of a step, by index."""
        size = len(self.own)
        places = range(step * self.batch, (step + 1) * self.batch)
        return [self._order(place // size)[place % size] for place in places]

    def rows(self, step: int) -> list[list[Row]]:
        """Returns for each process the rows it works through; all have equally many."""
        rows: list[Row] = []
        chosen = self.conversations(step)
        for prefix in sorted({self.prefixes[index] for index in chosen}):
            group = [index for index in chosen if self.prefixes[index] == prefix]
            packed = best_fit([self.own[index] for index in group], self.capacity - prefix)
            rows += [[group[place] for place in row] for row in packed]
        return deal(rows, self.own, self.processes)

    def tokens(self, row: Row) -> int:
        """Returns the length of a row."""
        return sum(self.own[index] for index in row) + self.prefix(row)

    def prefix(self, row: Row) -> int:
        """Returns how many first tokens the conversations of a row share."""
        return self.prefixes[row[0]] if row else 0

    def _order(self, epoch: int) -> list[int]:
        if epoch not in self._orders:
            order = list(range(len(self.own)))
            generator(self.seed, "tuning", "order", str(epoch)).shuffle(order)
            # A step touches two epochs at most (or all of them on tiny data).
            self._orders = {old: kept for old, kept in self._orders.items() if old >= epoch - 1}
            self._orders[epoch] = order
        return self._orders[epoch]


def check_batch(batch: int, processes: int) -> None:
    """Checks that every process gets a conversation in every step.

    Raises:
        StudyError: tells the nearest values that work.
    """
    if processes < 1:
        raise StudyError("training needs at least one process", where="--processes")
    if processes > batch:
        raise StudyError(
            f"a batch of {batch} conversations cannot feed {processes} processes",
            where="tuning.batch",
            fix=f"batch: {processes}, or grant {batch} processes",
        )


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Packs items into rows of at most ``capacity`` tokens: longest first, into the fullest row.

    Returns:
        The places of the items of each row, rows in the order they were opened.

    Raises:
        StudyError: an item is longer than a row.
    """
    rows: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (tokens left, row), ascending
    for place in sorted(range(len(lengths)), key=lambda item: (-lengths[item], item)):
        length = lengths[place]
        if length > capacity:
            raise StudyError(f"a conversation of {length} tokens is longer than a row ({capacity})")
        spot = bisect.bisect_left(free, (length, -1))
        if spot == len(free):
            rows.append([place])
            bisect.insort(free, (capacity - length, len(rows) - 1))
        else:
            left, row = free.pop(spot)
            rows[row].append(place)
            bisect.insort(free, (left - length, row))
    return rows


def deal(rows: list[Row], lengths: Sequence[int], processes: int) -> list[list[Row]]:
    """Gives rows to processes: equally many to each, and similar loads at the same time.

    Where the number of rows is not a multiple, the longest rows that hold several
    conversations are halved; if none can be, empty rows fill up.
    """

    def load(row: Row) -> int:
        return sum(lengths[index] for index in row)

    rows = [list(row) for row in rows]
    while len(rows) % processes:
        splittable = [number for number, row in enumerate(rows) if len(row) > 1]
        if not splittable:
            rows.append([])
            continue
        longest = max(splittable, key=lambda number: (load(rows[number]), -number))
        rows += _halve(rows.pop(longest), lengths)
    rows.sort(key=lambda row: (-load(row), row))
    return [rows[process::processes] for process in range(processes)]


def _halve(row: Row, lengths: Sequence[int]) -> list[Row]:
    """Splits a row's conversations into two rows of nearly equal length."""
    halves: list[Row] = [[], []]
    loads = [0, 0]
    for index in sorted(row, key=lambda item: (-lengths[item], item)):
        lighter = 0 if loads[0] <= loads[1] else 1
        halves[lighter].append(index)
        loads[lighter] += lengths[index]
    return halves
