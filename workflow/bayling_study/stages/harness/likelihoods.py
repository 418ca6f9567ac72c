"""How likely continuations are. What all texts begin with (examples, an instruction) is read once,
then once what the choices of a question begin with; a choice of one token, which is only predicted,
needs no reading of its own. Logits are computed where a token is scored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.batches import length_batches
from bayling_study.core.progress import Progress
from bayling_study.core.records import grouped
from bayling_study.shared.reading import LOGIT_VALUES, NOTHING, Read, Reading, Text, common

READ_TOKENS = 512  # read at once on a CPU: more are no faster, and pad more
Row = tuple[int, ...]
"""What a model reads for a continuation: all tokens but the last, which is only predicted."""
Wanted = tuple[int, int, int]
"""A continuation's number, the place in its row that a scored token follows, and that token."""


class Continuation(NamedTuple):
    """Token ids; how likely the last ``scored`` of them are is asked."""

    ids: list[int]
    scored: int


class Group(NamedTuple):
    """Rows that begin with the same ``start`` tokens, such as the choices of a question."""

    start: int
    rows: list[Row]


def alike(rows: Sequence[Row], shared: int) -> Iterator[Group]:
    """Yields sorted rows in groups; all rows begin with the same ``shared`` tokens. A row joins
    those before it if a quarter of its own tokens is theirs too, and if that saves more than the
    longer start that they had."""
    start, group = len(rows[0]), [rows[0]]
    for row in rows[1:]:
        same = common([group[0], row])
        saves = len(group) * (same - shared) > (len(group) - 1) * (start - shared)
        if saves and 4 * (same - shared) >= len(row) - shared:
            start = same
        else:
            yield Group(start, group)
            start, group = len(row), []
        group.append(row)
    yield Group(start, group)


@dataclass
class Examination:
    """Continuations whose log-probabilities (``totals``) a model gives; ``greedy`` tells whether
    each of their tokens was the most probable. ``limits`` are those of a batch."""

    model: Any
    asked: Sequence[Continuation]
    limits: GenerationSection

    def __post_init__(self) -> None:
        self.totals, self.greedy = [0.0] * len(self.asked), [True] * len(self.asked)
        self.numbers = grouped(range(len(self.asked)), lambda n: tuple(self.asked[n].ids[:-1]))

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def run(self, progress: Progress) -> None:
        """Reads all, the longest first."""
        rows = sorted(self.numbers)
        groups = list(alike(rows, common(rows)))
        shared = self._shared(rows[0], groups) if len(groups) > 1 else NOTHING
        limits, starts = self.limits, [group.start for group in groups]
        for batch in length_batches(starts, limits.batch_tokens, limits.max_batch):
            some = [groups[place] for place in batch]
            self._examine(some, shared)
            progress.update(sum(len(self.numbers[row]) for group in some for row in group.rows))

    def _shared(self, row: Row, groups: list[Group]) -> Read:
        """Reads what all rows begin with, before what is scored; each start is left a token."""
        lengths = [len(ids) - 1 - scored for ids, scored in self.asked]
        last = common([group.rows[0][: group.start - 1] for group in groups])
        text = Text(list(row[: min(last, *lengths)]))
        return self._read([text], [[]]).has_read(0, text.ids) if text.ids else NOTHING

    def _examine(self, groups: list[Group], shared: Read) -> None:
        """Reads what each group's rows begin with, then what each row has of its own."""
        starts = [Text(list(g.rows[0][: g.start]), shared, len(shared.ids)) for g in groups]
        wanted = [[w for row in g.rows for w in self._wanted(row, 0, g.start)] for g in groups]
        longer = [[row for row in g.rows if len(row) > g.start] for g in groups]
        rows, texts = list[Row](), list[Text]()
        for batch in self._batches(starts):
            reading = self._read([starts[n] for n in batch], [wanted[n] for n in batch])
            for line, number in enumerate(batch):
                ids, own = starts[number].ids, longer[number]
                read = reading.has_read(line, ids) if own else NOTHING
                texts += [Text(list(row), read, len(ids)) for row in own]
                rows += own
        for batch in self._batches(texts):
            ends = [[*self._wanted(rows[n], texts[n].known, len(rows[n]))] for n in batch]
            self._read([texts[n] for n in batch], ends)

    def _batches(self, texts: list[Text]) -> Iterator[list[int]]:
        """Yields which texts to read together: what is new in them is of similar length, and all of
        them, with what is known, keep the limits."""
        limits, longest = self.limits, max((len(text.ids) for text in texts), default=1)
        most = min(limits.max_batch, max(1, limits.batch_tokens // longest))
        values = max(1, LOGIT_VALUES // int(self.model.config.vocab_size))
        tokens = READ_TOKENS if self.model.device.type == "cpu" else limits.batch_tokens
        return length_batches([len(t.ids) - t.known for t in texts], min(tokens, values), most)

    def _wanted(self, row: Row, begin: int, end: int) -> Iterator[Wanted]:
        """Yields what is scored behind a row's tokens from ``begin`` to before ``end``."""
        for number in self.numbers[row]:
            ids, count = self.asked[number]
            for place in range(max(begin, len(row) - count), min(end, len(row))):
                yield number, place, ids[place + 1]

    def _read(self, texts: list[Text], wanted: list[list[Wanted]]) -> Reading:
        """Reads texts, and adds what is wanted of each to the totals."""
        spots: dict[tuple[int, int], int] = {}  # of each line, places counted from its end
        found = [
            (number, spots.setdefault((line, place - len(text.ids)), len(spots)), token)
            for line, (text, own) in enumerate(zip(texts, wanted, strict=True))
            for number, place, token in own
        ]
        reading = Reading(self.model, texts)
        logits = reading.read_on(max((-place for _, place in spots), default=1))
        if found:
            lines, columns = map(torch.tensor, zip(*spots, strict=True))
            numbers, places, tokens = map(torch.tensor, zip(*found, strict=True))
            parts = torch.arange(len(spots)).split(32)  # memory for all costs more than their sums
            scores = (logits[lines[part], columns[part]].float() for part in parts)
            facts = [(one.logsumexp(dim=-1), one.argmax(dim=-1)) for one in scores]
            sums, best = (torch.cat(one)[places] for one in zip(*facts, strict=True))
            values = (logits[lines[places], columns[places], tokens].float() - sums).tolist()
            hits = (best == tokens.to(best.device)).tolist()
            for number, value, hit in zip(numbers.tolist(), values, hits, strict=True):
                self.totals[number] += value
                self.greedy[number] &= hit
        return reading
