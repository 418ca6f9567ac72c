"""Scores of two sides, tested pairwise on the segments that both answered. The statistics and tests
are those of a study's own comparisons (paired bootstrap and approximate randomisation). Only
prompts with the same id, turns and references count; only metrics with the same signature are
tested."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

from bayling_study.commands.compare.sides import Side
from bayling_study.config.model import StudyConfig
from bayling_study.core.progress import Progress
from bayling_study.shared.metrics import answers as metrics
from bayling_study.shared.metrics.aggregates import mean_groups
from bayling_study.stages.significance.__main__ import Inputs, compare_suite
from bayling_study.stages.significance.families import Shown

A, B = "A", "B"


class ScorePair(NamedTuple):
    """One metric on one item of both sides: of a system, or of two as ``a / b``. The values are on
    the shared segments where ``A`` and ``B`` were tested; else the note says why they were not."""

    suite: str
    item: str
    metric: str
    system: str
    a: float
    b: float
    test: Mapping[str, Any] | None = None
    note: str = ""


def pairs(a: Side, b: Side) -> list[ScorePair]:
    """Returns the scores that both sides have, system by system."""
    named = [(name, name) for name in a.systems if name in b.systems]
    if a.system and b.system:
        named = [(a.system, b.system)]
    return [pair for first, second in named for pair in _of_systems(a, first, b, second)]


def _of_systems(a: Side, first: str, b: Side, second: str) -> list[ScorePair]:
    ours = {(s.suite, s.item, s.metric): s for s in a.scores(first)}
    theirs = {(s.suite, s.item, s.metric): s for s in b.scores(second)}
    both = [key for key in ours if key in theirs]
    title = Progress.job = first if first == second else f"{first} / {second}"
    tested: dict[tuple[str, str, str], dict[str, Any]] = {}
    notes: dict[str, str] = {}
    for suite in dict.fromkeys(key[0] for key in both):
        rows, notes[suite] = _tests(a, first, b, second, suite)
        tested |= {(suite, row["item"], row["metric"]): row for row in rows}
    found = []
    for key in both:
        test, note = tested.get(key), notes[key[0]]
        values = (ours[key].value, theirs[key].value)
        if ours[key].signature != theirs[key].signature:
            test, note = None, "different signatures"
        elif test is None:
            note = note or "not tested"
        else:
            values = (test["value_a"], test["value_b"])
        found.append(ScorePair(*key, title, *values, test, note))
    return found


def _tests(
    a: Side, first: str, b: Side, second: str, suite: str
) -> tuple[list[dict[str, Any]], str]:
    """Returns the tests on what both sides were asked alike of a suite, and a remark on it."""
    config = StudyConfig.model_validate(a.config)
    section = config.suites.get(suite)
    if section is None or section.kind not in metrics.MEASURES:
        return [], "no scorer measures this suite here"
    answers, prompts, extra = {}, {}, {}
    for name, side, system in ((A, a, first), (B, b, second)):
        own = Inputs.of_study(side.folder)
        prompts[name] = metrics.scored_prompts(section, own.prompts / f"{suite}.jsonl")
        found = own.answers(section.kind, suite, [system]).values()
        there = [folder for folder in found if (folder / f"{suite}.jsonl").is_file()]
        read = (metrics.read_answers(prompts[name], folder, system, suite) for folder in there)
        answers[name] = [*chain.from_iterable(read)]
        extra[name] = own.segment_scores(system, suite)
    a_asks, b_asks = ({p.id: (p.turns, p.references) for p in own} for own in prompts.values())
    shared = {name for name, text in a_asks.items() if b_asks.get(name) == text}
    for name, items in answers.items():
        kept = (replace(item.only(shared), system=name) for item in items)
        answers[name] = [item for item in kept if item.prompts]
    if not all(answers.values()):
        return [], "no shared segments"
    groups = mean_groups(section, prompts[A])
    options, plan = metrics.options_of(config, None), metrics.plan_of(config)
    rows = compare_suite(answers, section.kind, options, plan, extra, groups, Shown(A))
    part = len(shared) < max(map(len, prompts.values()))
    return rows, f"on the {len(shared)} shared segments only" if part else ""
