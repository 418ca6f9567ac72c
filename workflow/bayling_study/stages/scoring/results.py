"""Score files: values with intervals, and every segment's value beside them."""

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from bayling_study.config.suites import Suite
from bayling_study.core.records import Score
from bayling_study.shared.metrics.aggregates import Resampled, mean_of, pool, pool_groups, some_of
from bayling_study.shared.metrics.answers import measure
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options
from bayling_study.shared.metrics.measures import is_averaged, meaning
from bayling_study.shared.metrics.resampling import (
    Resampling,
    bootstrap_weights,
    defined,
    interval,
    resampled,
    wilson,
)


def score_suite(
    items: list[Answers],
    suite: Suite,
    options: Options,
    plan: Resampling,
    groups: Mapping[str, list[str]],
) -> tuple[list[Score], list[dict[str, Any]]]:
    """Scores a system's answers to the items of one suite that it has.

    Args:
        groups: averages with their items (``aggregates.mean_groups``).

    Returns:
        the scores of all items and aggregates, and one row ``{id, metric, value}`` for
        each segment and metric that a segment alone has.

    Raises:
        StudyError: an answer cannot be scored; names the file and the segment.
    """
    scores: list[Score] = []
    rows: list[dict[str, Any]] = []
    measured: dict[str, dict[str, Resampled]] = {}
    for answers in items:
        results = measure(answers, suite.kind, options)
        rows += _segment_rows(answers, results)
        measured[answers.item] = _resample(answers.suite, answers.item, results, plan)
        scores += _scores(answers, answers.item, measured[answers.item], plan)
    if items:
        for name, members in _whole(pool_groups(suite), measured):
            found = pool([{m: one.measurement for m, one in each.items()} for each in members])
            made = _resample(items[0].suite, name, found, plan)
            scores += _scores(items[0], name, made, plan)
        for name, members in _whole(groups, measured):
            scores += _means(items[0], name, members, plan)
    return scores, rows


def _segment_rows(answers: Answers, results: list[Measurement]) -> Iterator[dict[str, Any]]:
    """Yields the values of single segments, for metrics that have one for each prompt."""
    for measurement in results:
        if len(measurement.segments) != len(answers.prompts):
            continue
        for prompt, value in zip(answers.prompts, measurement.segments.tolist(), strict=True):
            if math.isfinite(value):
                yield {"id": prompt.id, "metric": measurement.metric, "value": round(value, 6)}


def _resample(
    suite: str, item: str, results: list[Measurement], plan: Resampling
) -> dict[str, Resampled]:
    seed = plan.seed_of("bootstrap", suite, item)
    sizes = {len(one.statistics) for one in results}
    drawn = {size: bootstrap_weights(size, plan.samples, seed) for size in sizes}
    return {m.metric: Resampled(m, resampled(m, drawn[len(m.statistics)])) for m in results}


def _scores(
    answers: Answers, item: str, measured: dict[str, Resampled], plan: Resampling
) -> list[Score]:
    scores = []
    for metric, result in measured.items():
        meaning(metric)  # no score without a stated direction
        found = result.measurement
        judged = found.judged and found.n > 0
        low, high = (
            wilson(found, plan.confidence)
            if judged
            else interval(defined(result.resamples, metric), plan.confidence)
        )
        method = plan.wilson_method if judged else plan.method
        about = found.signature, method, _noted(result, judged), _at_chance(low, found.chance)
        what = answers.suite, item, answers.system, metric
        scores.append(Score(*what, found.value, low, high, found.n, *about))
    return scores


def _noted(result: Resampled, judged: bool) -> str:
    """Returns the metric's own remarks on a score, and what its interval leaves out."""
    empty = 0 if judged else int(np.isnan(result.resamples).sum())
    left = f"interval without {empty} resamples that have nothing to divide by" if empty else ""
    return "; ".join(filter(None, (result.measurement.note, left)))


def _at_chance(low: float, level: float | None) -> bool:
    """Tells whether guessing would do as well, as far as the interval can say."""
    return level is not None and low <= level


def _whole(
    groups: Mapping[str, list[str]], measured: dict[str, dict[str, Resampled]]
) -> Iterator[tuple[str, list[dict[str, Resampled]]]]:
    """Yields the aggregates of which all items are there, with what is measured on these."""
    for name, items in groups.items():
        if measured.keys() >= set(items):
            yield name, [measured[item] for item in items]


def _means(
    answers: Answers, name: str, items: list[dict[str, Resampled]], plan: Resampling
) -> Iterator[Score]:
    for metric in filter(is_averaged, dict.fromkeys(chain.from_iterable(items))):
        # a metric may not know an item's language, as the identifiers of off-target do
        members = [item[metric] for item in items if metric in item]
        yield _mean(answers, name, members, some_of(len(members), len(items)), plan)


def _mean(
    answers: Answers, name: str, members: list[Resampled], what: str, plan: Resampling
) -> Score:
    value, resamples = mean_of(members)
    low, high = interval(defined(resamples, name), plan.confidence)
    signatures = dict.fromkeys(member.measurement.signature for member in members)
    signature, note = f"mean of {what}|{' & '.join(signatures)}", f"plain mean of {what}"
    n = sum(len(member.measurement.statistics) for member in members)
    chance = _at_chance(low, _mean_chance(members))
    names = answers.suite, name, answers.system, members[0].measurement.metric
    return Score(*names, value, low, high, n, signature, plan.method, note, chance)


def _mean_chance(members: list[Resampled]) -> float | None:
    """Returns what guessing gives on average over items, where all have such a level."""
    levels = [member.measurement.chance for member in members]
    known = [level for level in levels if level is not None]
    return sum(known) / len(known) if len(known) == len(levels) else None
