"""The fixed batch: which conversations a step learns from, and in which sequences.

The stream of conversations is one permutation an epoch (``schedule.Order``), one behind the
other. A step takes its next ``batch`` conversations or, with a batch in tokens, those that start
in its next ``batch_tokens`` tokens. Only then they are packed into sequences and given to
processes: as attention never crosses a conversation and the loss is summed over tokens, any
packing and any number of processes gives the same step.

A sequence is as long as its conversations together, so there is no padding at all.
"""

import bisect
import heapq
import itertools
import math
from collections.abc import Sequence
from typing import Literal

from bayling_study.core.errors import StudyError
from bayling_study.core.records import grouped
from bayling_study.stages.tuning.schedule import Order, shuffled

Packed = list[int]
"""Indices of the conversations in one packed sequence; empty where it only keeps processes in
step."""


class Schedule:
    """The steps of a training run on conversations of so many tokens, their ``lengths``
    (``StudyError`` if a step has fewer conversations than there are processes).

    A step has ``batch`` conversations or, on average, ``batch_tokens`` tokens: at least the longest
    conversation's, so that no step is empty. There are at most ``max_steps``. A sequence has at
    most ``capacity`` tokens. Of ``prefixes``, the first tokens of each conversation that it shares
    with all others of the same number, it holds one; none means no sharing. ``order`` is that of
    the conversations in each epoch; none means shuffled.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        batch: int,
        batch_tokens: int | None = None,
        epochs: float | Literal["auto"],
        max_steps: int | None,
        capacity: int,
        prefixes: Sequence[int] | None = None,
        processes: int,
        seed: int,
        order: Order | None = None,
    ) -> None:
        check_batch(batch, processes, batch_tokens, max(lengths))
        self.lengths = list(lengths)
        self.prefixes = [0] * len(lengths) if prefixes is None else list(prefixes)
        self.own = [length - shared for length, shared in zip(lengths, self.prefixes, strict=True)]
        self.capacity = capacity
        self.processes = processes
        # A conversation counts as one, or as its tokens: a step is a window of that size.
        self._sizes = [1] * len(lengths) if batch_tokens is None else self.lengths
        self._window = batch if batch_tokens is None else batch_tokens
        self._order = order or shuffled(len(lengths), seed)
        # Where each epoch begins in the stream, and how many conversations come before it.
        self._edges, self._before = [0], [0]
        self._epochs: dict[int, tuple[Sequence[int], list[int]]] = {}
        whole = math.inf if epochs == "auto" else math.ceil(self._span(epochs) / self._window)
        self.steps = int(whole if max_steps is None else min(whole, max_steps))

    def conversations(self, step: int) -> list[int]:
        """Returns the conversations of a step, by index."""
        begin, end = step * self._window, (step + 1) * self._window
        epoch = self._epoch_of(begin)
        chosen: list[int] = []
        while self._edges[epoch] < end:
            order, starts = self._epoch(epoch)
            first, last = (bisect.bisect_left(starts, edge) for edge in (begin, end))
            chosen += order[first:last]
            epoch += 1
        return chosen

    def position(self, step: int) -> int:
        """Returns how many conversations of the stream come before a step."""
        edge = step * self._window
        epoch = self._epoch_of(edge)
        return self._before[epoch] + bisect.bisect_left(self._epoch(epoch)[1], edge)

    def sequences(self, step: int) -> list[list[Packed]]:
        """Returns for each process the sequences it works through; all have equally many."""
        groups = grouped(self.conversations(step), self.prefixes.__getitem__)
        packed = {}
        for prefix, group in sorted(groups.items()):
            packed[prefix] = best_fit([self.own[index] for index in group], self.capacity - prefix)
        spare = -sum(map(len, packed.values())) % self.processes
        sequences: list[Packed] = []
        for prefix, found in packed.items():
            group = groups[prefix]
            own = [self.own[index] for index in group]
            more = min(spare, len(group) - len(found))
            spare -= more
            evened = level(own, self.capacity - prefix, found, more)
            sequences += [[group[position] for position in sequence] for sequence in evened]
        sequences += ([] for _ in range(spare))
        # Alike long ones together: processes wait for each other where gradients are summed.
        sequences.sort(key=lambda sequence: (-_load(sequence, self.own), sequence))
        return [sequences[process :: self.processes] for process in range(self.processes)]

    def trained(self) -> int:
        """Returns the tokens of all conversations of all steps, each whole: those of the budget."""
        steps = map(self.conversations, range(self.steps))
        return sum(self.lengths[index] for step in steps for index in step)

    def tokens(self, sequence: Packed) -> int:
        """Returns the length of a sequence."""
        return sum(self.own[index] for index in sequence) + self.prefix(sequence)

    def prefix(self, sequence: Packed) -> int:
        """Returns how many first tokens the conversations of a sequence share."""
        return self.prefixes[sequence[0]] if sequence else 0

    def _span(self, epochs: float) -> float:
        """Returns the length of the stream of so many epochs, the last of which may be a part."""
        whole = int(epochs)
        self._epoch(whole)
        begin, end = self._edges[whole : whole + 2]
        return begin + (epochs - whole) * (end - begin)

    def _epoch_of(self, position: int) -> int:
        """Returns the epoch in which a position of the stream lies."""
        while self._edges[-1] <= position:
            self._epoch(len(self._edges) - 1)
        return bisect.bisect_right(self._edges, position) - 1

    def _epoch(self, epoch: int) -> tuple[Sequence[int], list[int]]:
        """Returns an epoch's order and where each of its conversations starts in the stream."""
        if epoch not in self._epochs:
            for number in range(len(self._edges) - 1, epoch):
                self._epoch(number)
            order = self._order(epoch)
            sizes = (self._sizes[index] for index in order)
            starts = list(itertools.accumulate(sizes, initial=self._edges[epoch]))
            if epoch == len(self._edges) - 1:
                self._edges.append(starts[-1])
                self._before.append(self._before[epoch] + len(order))
            # A step touches two epochs at most (or all of them on tiny data).
            self._epochs = {old: kept for old, kept in self._epochs.items() if old >= epoch - 1}
            self._epochs[epoch] = order, starts[:-1]
        return self._epochs[epoch]


def check_batch(
    batch: int, processes: int, batch_tokens: int | None = None, longest: int = 1
) -> None:
    """Checks that every process gets a conversation in every step, of ``batch`` conversations or
    ``batch_tokens`` tokens, a conversation ``longest`` (``StudyError`` tells the nearest values
    that work)."""
    if processes < 1:
        raise StudyError("training needs at least one process", where="--processes")
    if batch_tokens is None and processes > batch:
        what = f"a batch of {batch} conversations cannot feed {processes} processes"
        fix = f"batch: {processes}, or grant {batch} processes"
        raise StudyError(what, where="tuning.batch", fix=fix)
    if batch_tokens is not None and processes * longest > batch_tokens:
        most = batch_tokens // longest
        fewer = f", or grant {most} processes" if most else ""
        what = f"a batch of {batch_tokens} tokens cannot feed {processes} processes with "
        what += f"conversations of up to {longest} tokens"
        fix = f"batch_tokens: {processes * longest}{fewer}"
        raise StudyError(what, where="tuning.batch_tokens", fix=fix)


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Packs items into sequences of at most ``capacity`` tokens: longest first, into the fullest
    (``StudyError`` if an item is longer than a sequence). Returns the positions of the items of
    each sequence, sequences in the order they were opened."""
    sequences: list[list[int]] = []
    free: list[tuple[int, int]] = []  # (tokens left, sequence), ascending
    for position in sorted(range(len(lengths)), key=lambda item: (-lengths[item], item)):
        length = lengths[position]
        if length > capacity:
            longer = f"longer than a packed sequence ({capacity})"
            raise StudyError(f"a conversation of {length} tokens is {longer}")
        spot = bisect.bisect_left(free, (length, -1))
        if spot == len(free):
            sequences.append([position])
            bisect.insort(free, (capacity - length, len(sequences) - 1))
        else:
            left, sequence = free.pop(spot)
            sequences[sequence].append(position)
            bisect.insort(free, (left - length, sequence))
    return sequences


def level(
    lengths: Sequence[int], capacity: int, sequences: Sequence[Packed], more: int = 0
) -> list[list[int]]:
    """Repacks the items of ``sequences`` into ``more`` sequences more, as equally long as can be.
    Best fit fills sequences and leaves a short one, on which processes would wait. Here the longest
    item left goes to the shortest sequence (Graham 1969, "Bounds on Multiprocessing Timing
    Anomalies"). Where that overflows one, the given sequences stay and the longest ones that hold
    several items are halved."""
    count = len(sequences) + more
    evened: list[Packed] = [[] for _ in range(count)]
    loads = [(0, number) for number in range(count)]
    for position in sorted(range(len(lengths)), key=lambda item: (-lengths[item], item)):
        load, number = loads[0]
        if load + lengths[position] > capacity:
            return _halve_longest(sequences, lengths, more)
        heapq.heapreplace(loads, (load + lengths[position], number))
        evened[number].append(position)
    return evened


def _halve_longest(sequences: Sequence[Packed], lengths: Sequence[int], times: int) -> list[Packed]:
    halved = [list(sequence) for sequence in sequences]
    for _ in range(times):
        several = [number for number, sequence in enumerate(halved) if len(sequence) > 1]
        longest = max(several, key=lambda number: (_load(halved[number], lengths), -number))
        whole = halved.pop(longest)
        own = [lengths[item] for item in whole]
        halved += [[whole[place] for place in half] for half in level(own, sum(own), [[], []])]
    return halved


def _load(sequence: Packed, lengths: Sequence[int]) -> int:
    return sum(lengths[index] for index in sequence)
