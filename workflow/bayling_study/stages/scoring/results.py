"""Score files: values with intervals, and every segment's value beside them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from bayling_study.config.suites import Suite
from bayling_study.core.records import Score
from bayling_study.shared.metrics import resampling
from bayling_study.shared.metrics.aggregates import pool, pool_groups, some_of
from bayling_study.shared.metrics.answers import measure
from bayling_study.shared.metrics.measurement import Answers, Array, Measurement, Options
from bayling_study.shared.metrics.measures import is_averaged, meaning
from bayling_study.shared.metrics.resampling import Resampling

Groups = Mapping[str, list[str]]
"""Averages with their items."""


Item = dict[str, tuple[Measurement, Array]]
"""What is measured on an item, by metric, each with its values on the resampled test sets."""


def score_suite(
    items: list[Answers], suite: Suite, options: Options, plan: Resampling, groups: Groups
) -> tuple[list[Score], list[dict[str, Any]]]:
    """Scores a system's answers to the items of one suite that it has. ``groups`` are averages with
    their items (``aggregates.mean_groups``). Returns the scores of all items and aggregates, and a
    row ``{id, metric, value}`` for each metric that a segment has alone. A ``StudyError`` names the
    file and the segment of an answer that cannot be scored."""
    scores: list[Score] = []
    rows: list[dict[str, Any]] = []
    measured: dict[str, Item] = {}
    for answers in items:
        results = measure(answers, suite.kind, options)
        rows += _segment_rows(answers, results)
        measured[answers.item] = _resample(answers.suite, answers.item, results, plan)
        scores += _scores(answers, answers.item, measured[answers.item], plan)
    if items:
        for name, members in _whole(pool_groups(suite), measured):
            found = pool([{m: one for m, (one, _) in each.items()} for each in members])
            scores += _scores(items[0], name, _resample(items[0].suite, name, found, plan), plan)
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


def _resample(suite: str, item: str, results: Iterable[Measurement], plan: Resampling) -> Item:
    found = {one.metric: one for one in results}
    own = replace(plan, seed=plan.seed_of("bootstrap", suite, item))
    sums = resampling.all_sums(found, resampling.drawn_counts, own)
    return {name: (one, one.combine(sums[name])) for name, one in found.items()}


def _scores(answers: Answers, item: str, measured: Item, plan: Resampling) -> Iterator[Score]:
    for metric, (found, resamples) in measured.items():
        meaning(metric)  # no score without a stated direction
        if found.judged and found.n > 0:
            (low, high), empty = resampling.wilson(found, plan.confidence), 0
            method = plan.wilson_method
        else:
            values = resampling.defined(resamples, metric)
            (low, high), method = resampling.interval(values, plan.confidence), plan.method
            empty = len(resamples) - len(values)
        left = f"interval without {empty} resamples that have nothing to divide by" if empty else ""
        note = "; ".join(filter(None, (found.note, left)))
        guessed = found.chance is not None and low <= found.chance
        about = found.signature, method, note, guessed
        what = answers.suite, item, answers.system, metric
        yield Score(*what, found.value, low, high, found.n, *about)


def _whole(groups: Groups, measured: dict[str, Item]) -> Iterator[tuple[str, list[Item]]]:
    """Yields the aggregates of which all items are there, with what is measured on these."""
    for name, items in groups.items():
        if measured.keys() >= set(items):
            yield name, [measured[item] for item in items]


def _means(answers: Answers, name: str, items: list[Item], plan: Resampling) -> Iterator[Score]:
    for metric in filter(is_averaged, dict.fromkeys(chain.from_iterable(items))):
        # a metric may not know an item's language, as the identifiers of off-target do
        found, resamples = zip(*(item[metric] for item in items if metric in item), strict=True)
        values = resampling.defined(np.mean(resamples, axis=0), name)
        low, high = resampling.interval(values, plan.confidence)
        what = some_of(len(found), len(items))
        signatures = dict.fromkeys(m.signature for m in found)
        about = f"mean of {what}|{' & '.join(signatures)}", plan.method, f"plain mean of {what}"
        levels = [m.chance for m in found if m.chance is not None]
        guessed = len(levels) == len(found) and low <= sum(levels) / len(levels)
        value, n = float(np.mean([m.value for m in found])), sum(len(m.statistics) for m in found)
        names = answers.suite, name, answers.system, metric
        yield Score(*names, value, low, high, n, *about, guessed)
