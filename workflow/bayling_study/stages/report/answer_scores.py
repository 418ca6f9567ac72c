"""What scoring wrote of single segments, in the form that the page of answers reads."""

import re
from collections.abc import Sequence
from typing import Any

from bayling_study.core.records import Prompt
from bayling_study.shared.metrics.measures import meaning
from bayling_study.shared.metrics.segment_scores import read_segment_scores
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import headline

OF_TURN = re.compile(r".+\.turn-[0-9]+")
Values = dict[str, list[Any]]
"""System to one value a prompt, in the prompts' order: a number, none, or one of these a turn."""


def segment_values(study: Study, suite: str, prompts: Sequence[Prompt]) -> dict[str, Values]:
    """Returns the segment scores of a suite by metric, the headline metrics first.

    A metric that scoring has by turn (``chrf2.turn-2``) gets a list for each prompt. Other parts
    of metrics are left out, and so is what is neither better nor worse. Values have one decimal.
    """
    files = {name: study.segment_files(name, suite) for name in study.config.systems}
    found = {name: read_segment_scores(paths) for name, paths in files.items() if paths}
    known = {prompt.id for prompt in prompts}  # a judge's reviews have ids of their own
    pairs = (pair for own in found.values() for pair in own.items())
    names = dict.fromkeys(metric for metric, rows in pairs if not known.isdisjoint(rows))
    parts = [metric for metric in names if OF_TURN.fullmatch(metric)]
    by_turn = {metric.partition(".")[0] for metric in parts}
    values: dict[str, Values] = {}
    for metric in dict.fromkeys(m.partition(".")[0] for m in [*headline(names), *parts, *names]):
        if metric in by_turn | names.keys() and meaning(metric).better != "neither":
            turns = metric in by_turn
            values[metric] = {s: _values(own, metric, prompts, turns) for s, own in found.items()}
    return values


def _values(
    own: dict[str, dict[str, float]], metric: str, prompts: Sequence[Prompt], by_turn: bool
) -> list[Any]:
    def rounded(name: str, prompt: Prompt) -> float | None:
        value = own.get(name, {}).get(prompt.id)
        return None if value is None else round(value, 1)

    if not by_turn:
        return [rounded(metric, prompt) for prompt in prompts]
    return [
        [rounded(f"{metric}.turn-{n}", prompt) for n, _ in enumerate(prompt.turns, start=1)]
        for prompt in prompts
    ]
