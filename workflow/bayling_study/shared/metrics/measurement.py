"""The common form of every metric: statistics of each segment, and how their sums combine. BLEU,
chrF, rates and ratios are functions of sums over segments. A resampled test set is then a weighted
sum: a thousand are one matrix product (``resampling``), and no text is read twice."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayling_study.core.errors import StudyError
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.metrics.cache import StatisticsCache

Array = NDArray[np.float64]
Values = Sequence[float] | NDArray[Any]
Combine = Callable[[Array], Array]
"""Turns sums of statistics, shape (…, columns), into values, shape (…)."""


@dataclass(frozen=True)
class Measurement:
    """One metric on one item of one system.

    Attributes:
        metric: its name in score files and in ``config/published.tsv``.
        signature: everything that decides the value.
        statistics: sufficient statistics, shape (segments, columns).
        combine: turns summed statistics into the metric's value.
        segments: value of each segment; NaN where a segment alone has none.
        note: a remark for the reader, such as the number of empty hypotheses.
        chance: value that guessing gives on average; none where there is nothing to guess.
        judged: whether it is a rate of single yes-or-no judgements, which are its n; a segment
            may hold several or none. Such a rate has a Wilson interval.
    """

    metric: str
    signature: str
    statistics: Array
    combine: Combine
    segments: Array
    note: str = ""
    chance: float | None = None
    judged: bool = False

    @property
    def value(self) -> float:
        """The metric on the whole item."""
        return float(self.combine(self.statistics.sum(axis=0)))

    @property
    def n(self) -> int:
        """How many segments, or judgements, the value is of."""
        return int(self.statistics[:, 1].sum()) if self.judged else len(self.statistics)


@dataclass(frozen=True)
class Answers:
    """What a system answered to all prompts of one item, in their order, in the file ``path``; what
    others ``released`` is compared as it is (``one_form``)."""

    suite: str
    item: str
    system: str
    path: Path
    prompts: list[Prompt]
    hypotheses: list[Hypothesis]
    released: bool = False

    def only(self, ids: Container[str]) -> "Answers":
        """Returns the answers to some of the prompts."""
        rows = zip(self.prompts, self.hypotheses, strict=True)
        kept = [(prompt, hypothesis) for prompt, hypothesis in rows if prompt.id in ids]
        return replace(self, prompts=[p for p, _ in kept], hypotheses=[h for _, h in kept])

    def where(self, index: int) -> str:
        """Returns the place to name in an error about one segment."""
        return f"{self.path}: {self.prompts[index].id}"

    def last_turns(self) -> list[str]:
        """Returns each hypothesis' last answer, which single-turn metrics judge."""
        return [hypothesis.turns[-1] for hypothesis in self.hypotheses]

    def last_references(self) -> list[str]:
        """Returns each prompt's last reference (``StudyError`` if one has none)."""
        for index, prompt in enumerate(self.prompts):
            if not prompt.references:
                raise StudyError("the prompt has no reference", where=self.where(index))
        return [prompt.references[-1] for prompt in self.prompts]

    def target_language(self) -> str:
        """Returns the language of the answers (``StudyError`` unless all prompts name one)."""
        found = {prompt.languages.get("target") for prompt in self.prompts}
        language = found.pop()
        if found or not language:
            what = "the prompts of one item need one target language"
            raise StudyError(what, where=self.where(0))
        return language


@dataclass(frozen=True)
class Options:
    """What the configuration lets a scorer choose: sacreBLEU's ``tokenizers`` by target language
    (the first gives ``bleu``, another one ``bleu-NAME``), whether the language of translations is
    identified (``off_target``), and further metrics of ``shared/metrics/own``."""

    tokenizers: dict[str, list[str]] = field(default_factory=dict)
    cache: StatisticsCache = field(default_factory=StatisticsCache)
    off_target: bool = True
    spm: Path | None = None
    own: tuple[str, ...] = ()


def quotient(top: Array, bottom: Array, scale: float = 1.0, empty: float = 0.0) -> Array:
    """Returns ``scale * top / bottom``, and ``empty`` where the denominator is 0."""
    result = np.full(np.broadcast_shapes(np.shape(top), np.shape(bottom)), empty, np.float64)
    return np.divide(scale * top, bottom, out=result, where=np.asarray(bottom) != 0)


def percentage(sums: Array) -> Array:
    """Combines the columns (part, whole) into a percentage; NaN where there is no whole."""
    return quotient(sums[..., 0], sums[..., 1], 100.0, np.nan)


def total(sums: Array) -> Array:
    """Combines a single column into its sum, for counts and summed scores."""
    return np.asarray(sums[..., 0], dtype=np.float64)


def mean(sums: Array) -> Array:
    """Combines the columns (sum, number) into the mean; NaN of none."""
    return quotient(sums[..., 0], sums[..., 1], empty=np.nan)


def macro_f1(sums: Array) -> Array:
    """Combines hits, right and given answers of each label (last axis, three equal blocks) into the
    mean of the labels' F1 in per cent; a label that is neither right nor given does not count."""
    hits, right, given = np.split(np.asarray(sums, dtype=np.float64), 3, axis=-1)
    seen = right + given > 0
    return quotient((quotient(2 * hits, right + given)).sum(axis=-1), seen.sum(axis=-1), 100.0)


def is_measured(found: Measurement) -> bool:
    """Tells whether a quotient has anything to divide by; sums and corpus scores always do."""
    return found.combine not in (percentage, mean) or bool(found.statistics[..., 1].any())


def rate(
    metric: str, signature: str, parts: Values, wholes: Values | None = None, note: str = ""
) -> Measurement:
    """Returns a percentage measured as part and whole (1 if not given) of each segment; one without
    a whole (no constraint, no demand) has no value of its own."""
    whole = np.ones(len(parts)) if wholes is None else wholes
    statistics = np.array([parts, whole], dtype=np.float64).T
    return Measurement(metric, signature, statistics, percentage, percentage(statistics), note)


def average(
    metric: str, signature: str, values: Values, weights: Values | None = None
) -> Measurement:
    """Returns the mean of segments' values; a weight of 0 leaves one out, whose value must be 0."""
    column = np.asarray(values, dtype=np.float64)
    counted = np.ones_like(column) if weights is None else np.asarray(weights, dtype=np.float64)
    return Measurement(metric, signature, np.stack([column, counted], axis=1), mean, column)


def count(metric: str, signature: str, values: Values) -> Measurement:
    """Returns the sum of values that each belong to one segment."""
    column = np.asarray(values, dtype=np.float64)
    return Measurement(metric, signature, column[:, None], total, column)
