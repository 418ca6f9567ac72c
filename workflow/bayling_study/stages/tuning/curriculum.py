"""A curriculum: the phases of a training, each with its own shares of conversations.

A phase shares conversations out by language or by recipe. PolyLM (arXiv 2307.06018) raises the
share of non-English text from 30 to 60 % over its training; a conversation counts as non-English
when it teaches to answer in another language. CSR (arXiv 2204.07834) first restores code-switched
sentences and then translates: one recipe a phase.

The stream of conversations is cut into phases. Inside a phase the groups alternate evenly, so that
every step has the phase's shares; each group is a stream of its own seeded permutations. So every
conversation is used ``epochs`` times, if the phases' mean shares are the mixture's own. If they are
not, one group would have to be used more often than another: refused, unless
``tuning.curriculum_repeats`` allows it.
"""

import hashlib
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from bayling_study.config.tuning import ENGLISH, NON_ENGLISH, Phase, TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file
from bayling_study.core.seeds import generator
from bayling_study.shared.token_set import TokenSet
from bayling_study.stages.tuning.schedule import Order, shuffled

Array = np.ndarray[Any, Any]
KEY = "tuning.curriculum"
GROUPS = "groups.npz"
TOLERANCE = 0.01
"""A mean share this near to the mixture's is taken to mean it; the phases are then shifted."""


class Curriculum:
    """The order that ascending phases ask for, over ``total`` conversations (``StudyError`` if the
    mean shares are not the mixture's and must be, or a group is missing). ``labels`` name each
    conversation's group, ``repeats`` says whether groups may be used unequally often. ``lengths``
    are the conversations' tokens where steps are counted in tokens, so that ``until`` is a share of
    the run's steps either way."""

    def __init__(
        self,
        phases: Sequence[Phase],
        labels: Sequence[str],
        total: int,
        seed: int,
        repeats: bool = False,
        lengths: Sequence[int] | None = None,
    ) -> None:
        own = np.asarray(labels)
        asked = [group for phase in phases for group in phase.shares()]
        self.names = list(dict.fromkeys([*asked, *np.unique(own).tolist()]))
        self.groups = [np.flatnonzero(own == name).tolist() for name in self.names]
        self.count, self.total, self.seed = len(own), total, seed
        shares = np.array([[p.shares().get(name, 0.0) for name in self.names] for p in phases])
        self.places = range(len(self.names))
        if empty := [n for n in self.places if shares[:, n].any() and not self.groups[n]]:
            raise StudyError(f"the mixture has no {self.names[empty[0]]} conversations", where=KEY)
        sizes = np.ones(self.count) if lengths is None else np.asarray(lengths) / np.mean(lengths)
        means = np.array([sizes[group].mean() if group else 1.0 for group in self.groups])
        spans = np.diff([0.0, *(phase.until for phase in phases)])
        widths = spans / (shares @ means)
        if repeats:  # longer conversations more often: fewer of them in as many tokens
            self.total = max(1, round(total * widths.sum()))
        widths = widths / widths.sum()
        parts = np.array([len(group) / self.count for group in self.groups])
        told = phases, self.names, spans, means
        self.shares = shares if repeats else _fitting(*told, shares, parts)
        self.ends = np.cumsum(widths) * self.total

    def order(self, epoch: int) -> list[int]:
        """Returns the conversations of the ``epoch``-th slice of the stream, by index. A slice is
        as long as there are conversations; with phases of unequal shares one can be in it twice and
        another not at all."""
        begin = epoch * self.count
        groups = self.stream(begin + self.count)
        first, last = (self._counts(groups[:place]) for place in (begin, len(groups)))
        streams = [self._uses(*own) for own in zip(self.places, first, last, strict=True)]
        return [streams[group].pop() for group in groups[begin:].tolist()]

    def stream(self, places: int) -> Array:
        """Returns the number of the group at each of the first ``places`` of the stream. The k-th
        conversation of a group stands where the shares up to there add up to k - 1/2 of it; behind
        the last phase the stream goes on with that phase's shares."""
        horizon = max(places, self.total) + len(self.names) + 1
        edges = np.array([0.0, *self.ends, self.ends[-1] + horizon])
        passed = np.diff(edges)[:, None] * np.vstack([self.shares, self.shares[-1:]])
        marks = np.vstack([np.zeros(len(self.names)), np.cumsum(passed, axis=0)])
        counts = [round(float(np.interp(horizon, edges, own))) for own in marks.T]
        found = [
            np.interp(np.arange(n) + 0.5, own, edges)
            for n, own in zip(counts, marks.T, strict=True)
        ]
        groups = np.repeat(self.places, counts)
        stream: Array = groups[np.lexsort((groups, np.concatenate(found)))][:places]
        return stream

    def _counts(self, groups: Array) -> list[int]:
        counts: list[int] = np.bincount(groups, minlength=len(self.names)).tolist()
        return counts

    def _uses(self, group: int, first: int, last: int) -> list[int]:
        """Returns the uses ``first … last - 1`` of a group's stream, the last one first."""
        members, name = self.groups[group], self.names[group]
        uses: list[int] = []
        for round_ in range(first // max(1, len(members)), math.ceil(last / max(1, len(members)))):
            drawn = list(members)
            generator(self.seed, "tuning", KEY, name, str(round_)).shuffle(drawn)
            start = round_ * len(members)
            uses += drawn[max(0, first - start) : max(0, last - start)]
        return uses[::-1]

    def facts(self) -> dict[str, Any]:
        """Returns what the run record says: real counts, and how often conversations are used."""
        ends = [0, *(round(end) for end in self.ends)]
        stream, rows = self.stream(ends[-1]), []
        for before, after in itertools.pairwise(ends):
            own = dict(zip(self.names, self._counts(stream[before:after]), strict=True))
            rows.append({"conversations": after - before, **own})
        used = zip(self.names, self._counts(stream), self.groups, strict=True)
        each = {name: count / len(group) for name, count, group in used if group}
        return {"phases": rows, "uses_of_each": each}


def _fitting(
    phases: Sequence[Phase], names: Sequence[str], spans: Array, means: Array,
    asked: Array, own: Array,
) -> Array:  # fmt: skip
    """Returns the shares [phases, groups], moved so that their mean is the mixture's ``own``."""
    mean = _mean(asked, spans, means)
    fitting = _with_mean(asked, mean, own)
    worst = int(np.argmax(np.abs(mean - own)))
    if abs(mean[worst] - own[worst]) <= TOLERANCE:
        return fitting
    for _ in range(100):  # with lengths, other shares are other conversations in a phase's tokens
        fitting = _with_mean(fitting, _mean(fitting, spans, means), own)
    rows = (dict(zip(names, row, strict=True)) for row in fitting)
    moved = [phase.written(row) for phase, row in zip(phases, rows, strict=True)]
    raise StudyError(
        f"the phases ask for {mean[worst]:.1%} {names[worst]} conversations over the whole run, "
        f"the mixture has {own[worst]:.1%}, so that not all could be used equally often",
        where=KEY,
        fix=f"curriculum: [{', '.join(moved)}]\nor curriculum_repeats: true",
    )


def _mean(shares: Array, spans: Array, means: Array) -> Array:
    """Returns each group's share of the run, whose phases take ``spans`` of its tokens."""
    widths = spans / (shares @ means)
    mean: Array = widths @ shares / widths.sum()
    return mean


def _with_mean(shares: Array, mean: Array, own: Array) -> Array:
    """Scales the groups that have too much down until their mean is ``own``, and gives what that
    frees in each phase to the others by what they lack."""
    over = np.divide(own, mean, out=np.ones_like(own), where=mean > own)
    scaled: Array = shares * over
    lacking = np.maximum(own - mean, 0.0)
    if lacking.sum() > 0:
        scaled = scaled + (1 - scaled.sum(axis=1, keepdims=True)) * lacking / lacking.sum()
    return scaled


def stream_length(settings: TuningSection, lengths: Sequence[int]) -> int:
    """Returns the number of conversations of a run; with a token batch and a bound, about."""
    auto = settings.epochs == "auto"
    whole = math.inf if auto else math.ceil(float(settings.epochs) * len(lengths))
    if settings.max_steps is None:
        return int(whole)
    tokens = getattr(settings, "batch_tokens", None)
    step = settings.batch if tokens is None else tokens * len(lengths) / sum(lengths)
    return int(min(whole, max(1, round(settings.max_steps * step))))


def write_groups(
    folder: Path, instructions: Path, names: Sequence[str], phases: Sequence[Phase]
) -> None:
    """Writes each encoded conversation's group; the workers read it (``StudyError`` if the
    instructions do not say their recipes, or their languages)."""
    path = instructions / "train.parquet"
    wanted = ["recipe"] if phases[0].recipes else ["direction", "languages"]
    if not {*wanted} <= set(parquet.read_schema(path).names):
        raise StudyError(f"there are no columns {' and '.join(wanted)}", where=path)
    rows = parquet.read_table(path, columns=["id", *wanted]).to_pylist()
    group = {row["id"]: row.get("recipe") or language_group(row) for row in rows}
    known, labels = np.unique([group[name] for name in names], return_inverse=True)
    with atomic_file(folder / GROUPS, "wb") as stream:
        np.savez(stream, names=known, labels=labels)


def language_group(row: dict[str, Any]) -> str:
    """Tells whether a row of the instructions teaches to answer in English or another language. A
    translation does by its target; anything else, if any of its languages is another
    (``StudyError`` if the row names none)."""
    answered = row["languages"]
    if row["direction"]:
        answered = [str(row["direction"]).partition("-")[2]]
    if not answered:
        raise StudyError("the conversation names no language", where=row["id"])
    return NON_ENGLISH if any(code != "en" for code in answered) else ENGLISH


def configured(
    settings: TuningSection, folder: Path, lengths: Sequence[int], seed: int
) -> Curriculum | None:
    """Returns the configured curriculum over what ``write_groups`` wrote, or none."""
    if not settings.curriculum:
        return None
    with np.load(folder / GROUPS) as stored:
        labels = stored["names"][stored["labels"]]
    total, sizes = stream_length(settings, lengths), lengths if settings.batch_tokens else None
    return Curriculum(settings.curriculum, labels, total, seed, settings.curriculum_repeats, sizes)


def order_hash(order: Order, names: Sequence[str], total: int) -> str:
    """Returns the SHA-256 of the ids of a run's conversations in their order, 64 hex digits."""
    digest = hashlib.sha256()
    for epoch in range(math.ceil(total / len(names))):
        for index in order(epoch)[: total - epoch * len(names)]:
            digest.update(f"{names[index]}\n".encode())
    return digest.hexdigest()


def prepare(
    folder: Path, instructions: Path, tokens: TokenSet, settings: TuningSection, seed: int
) -> dict[str, Any]:
    """Fixes the order of a run before it starts; returns what the run record says of it. The
    workers find the groups of the curriculum in the job's ``folder``; ``instructions`` is the
    folder of the mixture, ``tokens`` its encoded conversations. ``StudyError`` if the curriculum
    does not fit the mixture."""
    if settings.curriculum:
        write_groups(folder, instructions, tokens.names, settings.curriculum)
    found = configured(settings, folder, tokens.lengths, seed)
    order = found.order if found else shuffled(len(tokens), seed)
    total = stream_length(settings, tokens.lengths)
    facts: dict[str, Any] = {"data_order": order_hash(order, tokens.names, total)}
    return {**facts, "curriculum": found.facts()} if found else facts
