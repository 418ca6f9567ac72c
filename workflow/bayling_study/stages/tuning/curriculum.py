"""A curriculum over the language mix: how many non-English conversations each phase learns.

PolyLM (arXiv 2307.06018) raises the share of non-English text from 30 to 60 % over its training.
Here a conversation counts as non-English when it teaches to answer in another language.

The stream of conversations is cut into phases. Inside a phase the two groups alternate evenly, so
that every step has the phase's share; each group is a stream of its own seeded permutations. So
every conversation is used ``epochs`` times, if the phases' mean share is the mixture's own. If it
is not, one group would have to be used more often than the other: refused, unless
``tuning.curriculum_repeats`` allows it.
"""

import hashlib
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet

from bayling_study.config.tuning import Phase, TuningSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_file
from bayling_study.core.seeds import generator
from bayling_study.shared.token_set import TokenSet
from bayling_study.stages.tuning.schedule import Order, shuffled

KEY = "tuning.curriculum"
FLAGS = "non_english.npy"
TOLERANCE = 0.01
"""A mean share this near to the mixture's is taken to mean it; the phases are then shifted."""


class Curriculum:
    """The order that ascending phases ask for; their ``until`` refers to ``total`` conversations
    (``StudyError`` if the mean share is not the mixture's and must be, or a group is missing).
    ``flags`` tell which conversations are non-English, ``repeats`` whether the two groups may be
    used unequally often."""

    def __init__(
        self,
        phases: Sequence[Phase],
        flags: Sequence[bool],
        total: int,
        seed: int,
        repeats: bool = False,
    ) -> None:
        non_english = np.asarray(flags, dtype=bool)
        chosen = {True: non_english, False: ~non_english}
        groups = {flag: np.flatnonzero(own).tolist() for flag, own in chosen.items()}
        self.groups: dict[bool, list[int]] = groups
        self.count, self.total, self.seed = len(flags), total, seed
        self.shares = _shares(phases, len(groups[True]) / len(flags), repeats)
        self.ends = [phase.until * total for phase in phases]
        widths = np.diff([0.0, *self.ends])
        self._marks = np.concatenate([[0.0], np.cumsum(widths * self.shares)])
        wanted = {True: max(self.shares), False: 1 - min(self.shares)}
        for flag, share in wanted.items():
            if share > 0 and not groups[flag]:
                kind = "non-English" if flag else "English"
                raise StudyError(f"the mixture has no {kind} conversations", where=KEY)

    def order(self, epoch: int) -> list[int]:
        """Returns the conversations of the ``epoch``-th slice of the stream, by index. A slice is
        as long as there are conversations; with phases of unequal shares one can be in it twice and
        another not at all."""
        places = np.arange(epoch * self.count, (epoch + 1) * self.count + 1)
        before = self.non_english(places)
        ends = {True: before[[0, -1]].tolist(), False: (places - before)[[0, -1]].tolist()}
        streams = {flag: self._uses(flag, *own) for flag, own in ends.items()}
        return [streams[flag].pop() for flag in np.diff(before).astype(bool).tolist()]

    def non_english(self, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Returns how many non-English conversations come before places of the stream, int64."""
        inside = np.interp(places, [0.0, *self.ends], self._marks)
        beyond = np.maximum(places - self.ends[-1], 0.0) * self.shares[-1]
        rounded: np.ndarray[Any, Any] = np.floor(inside + beyond + 0.5).astype(np.int64)
        return rounded

    def _uses(self, flag: bool, first: int, last: int) -> list[int]:
        """Returns the uses ``first … last − 1`` of a group's stream, the last one first."""
        group = self.groups[flag]
        uses: list[int] = []
        for round_ in range(first // max(1, len(group)), math.ceil(last / max(1, len(group)))):
            drawn = list(group)
            generator(self.seed, "tuning", KEY, str(flag), str(round_)).shuffle(drawn)
            start = round_ * len(group)
            uses += drawn[max(0, first - start) : max(0, last - start)]
        return uses[::-1]

    def facts(self) -> dict[str, Any]:
        """Returns what the run record says: real shares, and how often conversations are used."""
        ends = [0, *(round(end) for end in self.ends)]
        before = [int(value) for value in self.non_english(np.asarray(ends))]
        phases = zip(pairwise(ends), pairwise(before), strict=True)
        rows = [{"conversations": b - a, "non_english": y - x} for (a, b), (x, y) in phases]
        uses = {True: before[-1], False: ends[-1] - before[-1]}
        names = {True: "non_english", False: "english"}
        each = {names[flag]: uses[flag] / len(own) for flag, own in self.groups.items() if own}
        return {"phases": rows, "uses_of_each": each}


def _shares(phases: Sequence[Phase], own: float, repeats: bool) -> list[float]:
    """Returns each phase's share: as asked for, or moved so that their mean is the mixture's."""
    asked = [phase.non_english for phase in phases]
    widths = np.diff([0.0, *(phase.until for phase in phases)])
    mean = float(np.dot(widths, asked))
    if repeats:
        return asked
    fitting = _with_mean(asked, mean, own)
    if abs(mean - own) > TOLERANCE:
        pairs = zip(phases, fitting, strict=True)
        lines = [f"{{until: {phase.until:g}, non_english: {share:.3f}}}" for phase, share in pairs]
        what = f"the phases ask for {mean:.1%} non-English conversations over the whole run, the "
        what += f"mixture has {own:.1%}, so that not all could be used equally often"
        fix = f"curriculum: [{', '.join(lines)}]\nor curriculum_repeats: true"
        raise StudyError(what, where=KEY, fix=fix)
    return fitting


def _with_mean(shares: Sequence[float], mean: float, own: float) -> list[float]:
    """Scales shares, or what they lack to 1, so that their mean becomes ``own``."""
    if own <= mean:
        return [share * own / mean if mean else share for share in shares]
    return [1 - (1 - share) * (1 - own) / (1 - mean) for share in shares]


def stream_length(settings: TuningSection, lengths: Sequence[int]) -> int:
    """Returns the number of conversations of a run; with a token batch and a bound, about."""
    auto = settings.epochs == "auto"
    whole = math.inf if auto else math.ceil(float(settings.epochs) * len(lengths))
    if settings.max_steps is None:
        return int(whole)
    tokens = getattr(settings, "batch_tokens", None)
    step = settings.batch if tokens is None else tokens * len(lengths) / sum(lengths)
    return int(min(whole, max(1, round(settings.max_steps * step))))


def write_flags(folder: Path, instructions: Path, names: Sequence[str]) -> None:
    """Writes for each encoded conversation whether it is non-English; the workers read it
    (``StudyError`` if the instructions do not say their languages)."""
    path = instructions / "train.parquet"
    if not {"direction", "languages"} <= set(parquet.read_schema(path).names):
        raise StudyError("there are no columns direction and languages", where=path)
    rows = parquet.read_table(path, columns=["id", "direction", "languages"]).to_pylist()
    flags = {row["id"]: answers_in_other_language(row) for row in rows}
    with atomic_file(folder / FLAGS, "wb") as stream:
        np.save(stream, np.asarray([flags[name] for name in names], dtype=bool))


def answers_in_other_language(row: dict[str, Any]) -> bool:
    """Tells whether a row of the instructions teaches to answer in another language than English. A
    translation does by its target; anything else, if any of its languages is another
    (``StudyError`` if the row names none)."""
    if row["direction"]:
        return str(row["direction"]).partition("-")[2] != "en"
    if not row["languages"]:
        raise StudyError("the conversation names no language", where=row["id"])
    return any(code != "en" for code in row["languages"])


def configured(
    settings: TuningSection, folder: Path, lengths: Sequence[int], seed: int
) -> Curriculum | None:
    """Returns the configured curriculum over what ``write_flags`` wrote, or none."""
    if not settings.curriculum:
        return None
    flags = np.load(folder / FLAGS)
    total = stream_length(settings, lengths)
    return Curriculum(settings.curriculum, flags, total, seed, settings.curriculum_repeats)


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
        write_flags(folder, instructions, tokens.names)
    found = configured(settings, folder, tokens.lengths, seed)
    order = found.order if found else shuffled(len(tokens), seed)
    total = stream_length(settings, tokens.lengths)
    facts: dict[str, Any] = {"data_order": order_hash(order, tokens.names, total)}
    return {**facts, "curriculum": found.facts()} if found else facts
