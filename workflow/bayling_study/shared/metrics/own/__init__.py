"""Metrics of one's own, for suites of translations of single segments: each module registers
functions with ``@metric``, and a study computes those that ``scoring.metrics`` names."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up
from bayling_study.core.plugins import import_all
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options

Make = Callable[[Answers, Options], Measurement]
METRICS: dict[str, Make] = {}  # all registered metrics by name


def metric(name: str, *, better: str, scale: str, averaged: bool = True) -> Callable[[Make], Make]:
    """Registers a function that measures one item's answers. The arguments are written out, not
    computed, for the configuration and ``measures`` read them from the source: ``better``
    (``higher``, ``lower`` or ``neither``), the ``scale`` in words, and whether the plain mean over
    items is reported."""

    def register(make: Make) -> Make:
        METRICS[name] = make
        return make

    return register


def measure(answers: Answers, options: Options) -> Iterator[Measurement]:
    """Yields the metrics that the study names (``StudyError`` if one is not registered)."""
    if options.own:
        import_all(sys.modules[__name__])
    for name in options.own:
        found = look_up("metric", name, METRICS, "scoring.metrics")(answers, options)
        if len(found.statistics) != len(answers.prompts):
            what = f"{len(found.statistics)} rows of statistics for {len(answers.prompts)} answers"
            raise StudyError(what, where=f"metric {name}", fix="one row per answer, in their order")
        yield replace(found, metric=name)
