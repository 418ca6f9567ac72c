"""What scoring wrote of single segments, in the form that the page of answers reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from bayling_study.core.records import Prompt
from bayling_study.shared.metrics.measures import meaning
from bayling_study.shared.metrics.segment_scores import read_segment_scores
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import headline

OF_TURN = re.compile(r"(.+)\.turn-([0-9]+)")
DECIMALS = 1
"""Decimals of a segment's score."""

Values = dict[str, list[Any]]
"""System to one value a prompt, in the prompts' order: a number, none, or one of these a turn."""


def segment_values(study: Study, suite: str, prompts: Sequence[Prompt]) -> dict[str, Values]:
    """Returns the segment scores of a suite by metric, the headline metrics first.

    A metric that scoring has by turn (``chrf2.turn-2``) gets a list for each prompt. Other parts
    of metrics are left out, and so is what is neither better nor worse.
    """
    files = {name: study.segment_files(name, suite) for name in study.config.systems}
    found = {name: read_segment_scores(paths).values for name, paths in files.items() if paths}
    names = dict.fromkeys(metric for own in found.values() for metric in own)
    parts = [metric for metric in names if OF_TURN.fullmatch(metric)]
    by_turn = {metric.partition(".")[0] for metric in parts}
    bases = dict.fromkeys(m.partition(".")[0] for m in [*headline(names), *parts, *names])
    shown = [m for m in bases if (m in by_turn or m in names) and meaning(m).better != "neither"]
    return {
        metric: {
            system: [_value(own, metric, prompt, metric in by_turn) for prompt in prompts]
            for system, own in found.items()
        }
        for metric in shown
    }


def _value(own: dict[str, dict[str, float]], metric: str, prompt: Prompt, by_turn: bool) -> Any:
    """Returns one prompt's value, or one for each of its turns."""
    if by_turn:
        names = [f"{metric}.turn-{place}" for place in range(1, len(prompt.turns) + 1)]
        return [_rounded(own.get(name, {}).get(prompt.id)) for name in names]
    return _rounded(own.get(metric, {}).get(prompt.id))


def _rounded(value: float | None) -> float | int | None:
    if value is None:
        return None
    short = round(value, DECIMALS)
    return int(short) if short == int(short) else short
