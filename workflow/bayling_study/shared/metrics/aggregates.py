"""Numbers over several items: plain means of items, and opponents' items pooled.

A mean over items (the papers' exam averages) weighs items alike; its interval comes from their
independent resamples. A pool puts the segments of items together (one opponent's over all parts).
An aggregate is made only when all its items are there; a metric that does not know some of them
(the off-target rate of a language that no identifier knows) is the mean of the others, and says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from bayling_study.config.multiple_choice import NliSuite
from bayling_study.config.suites import EXAM_TASKS, ExamsSuite, JudgedSuite, ReviewsSuite, Suite
from bayling_study.core.records import Prompt
from bayling_study.shared.metrics.groups import averages
from bayling_study.shared.metrics.measurement import Measurement

GAOKAO = [task for task in EXAM_TASKS if task.startswith("gaokao-")]
ENGLISH = [task for task in EXAM_TASKS if task not in GAOKAO]
EXAM_MEANS = {
    "gaokao-average": GAOKAO,
    "english-average": ENGLISH,
    # the published English averages of all systems but GPT-3.5 leave logiqa-zh out
    "english-average-8": [task for task in ENGLISH if task != "logiqa-zh"],
}
"""BayLing's exam averages: 9 Chinese-side and 9 (or 8) English-side tasks of AGIEval."""


def mean_groups(suite: Suite, prompts: list[Prompt]) -> dict[str, list[str]]:
    """Returns a suite's plain means with their items: those its prompts name, or an exam's own."""
    return EXAM_MEANS if isinstance(suite, ExamsSuite) else averages(prompts)


def some_of(having: int, items: int) -> str:
    """Returns how many of an average's items have its metric, in words."""
    return f"{having} items" if having == items else f"{having} of {items} items"


def pool_groups(suite: Suite) -> dict[str, list[str]]:
    """Returns the aggregates of a suite whose items' segments are put together."""
    if isinstance(suite, ReviewsSuite):
        return {name: [f"{name}.{part}" for part in suite.parts] for name in suite.opponents}
    if isinstance(suite, JudgedSuite) and len(suite.parts) > 1:
        return {"all": [*suite.parts]}
    if isinstance(suite, NliSuite) and len(suite.categories) > 1:
        return {"all": [*suite.categories]}
    return {}


def pool(members: Sequence[Mapping[str, Measurement]]) -> Iterator[Measurement]:
    """Yields the metrics that all items have, each over the segments of all items."""
    for name, first in members[0].items():
        if all(name in member for member in members):
            statistics = np.concatenate([member[name].statistics for member in members])
            segments = np.concatenate([member[name].segments for member in members])
            note = f"{len(members)} items pooled"
            yield replace(first, statistics=statistics, segments=segments, note=note)
