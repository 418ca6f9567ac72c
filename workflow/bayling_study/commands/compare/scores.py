"""Scores of two sides, tested pairwise on the segments that both answered.

The statistics and tests are those of a study's own comparisons (paired
bootstrap and approximate randomisation). Only prompts with the same id, turns
and references count; only metrics with the same signature are tested.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bayling_study.commands.compare.sides import Side
from bayling_study.config.model import StudyConfig
from bayling_study.core.progress import Progress
from bayling_study.core.records import Prompt, read_prompts
from bayling_study.shared.metrics.aggregates import mean_groups
from bayling_study.shared.metrics.answers import MEASURES, options_of, plan_of, read_answers
from bayling_study.shared.metrics.groups import averages
from bayling_study.shared.metrics.measurement import Answers
from bayling_study.shared.metrics.segment_scores import read_segment_scores
from bayling_study.stages.significance.__main__ import compare_suite
from bayling_study.stages.significance.families import Shown

A, B = "A", "B"
ANSWERS = ("generation", "harness")
"""Folders of a study with answers, ``FOLDER/SYSTEM/SUITE.jsonl``."""
Key = tuple[str, str, str]
"""Suite, item and metric."""


@dataclass(frozen=True)
class ScorePair:
    """One metric on one item of both sides: of a system, or of two as ``a / b``.

    The values are on the shared segments where there was a test of ``A`` and ``B``; else the note
    says why there was none.
    """

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
    tested: dict[Key, dict[str, Any]] = {}
    notes: dict[str, str] = {}
    for suite in dict.fromkeys(key[0] for key in both):
        rows, notes[suite] = _tests(a, first, b, second, suite)
        tested |= {(suite, row["item"], row["metric"]): row for row in rows}
    found = []
    for key in both:
        test, note = tested.get(key), notes[key[0]]
        values = (ours[key].value, theirs[key].value)
        if ours[key].signature != theirs[key].signature:
            found.append(ScorePair(*key, title, *values, note="different signatures"))
        elif test is None:
            found.append(ScorePair(*key, title, *values, note=note or "not tested"))
        else:
            found.append(ScorePair(*key, title, test["value_a"], test["value_b"], test, note))
    return found


def _tests(
    a: Side, first: str, b: Side, second: str, suite: str
) -> tuple[list[dict[str, Any]], str]:
    """Returns the tests on a suite's shared segments, and a remark on them."""
    config = StudyConfig.model_validate(a.config)
    kind = config.suites[suite].kind if suite in config.suites else ""
    if kind not in MEASURES:
        return [], "no scorer measures this suite here"
    prompts = [read_prompts(side.folder / "prompts" / f"{suite}.jsonl") for side in (a, b)]
    shared = _shared(*prompts)
    sides = ((prompts[0], a, first, A), (prompts[1], b, second, B))
    answers = {
        name: _kept(_answers(side, system, suite, own), shared, name)
        for own, side, system, name in sides
    }
    if not all(answers.values()):
        return [], "no shared segments"
    extra = {}
    for _, side, system, name in sides:  # of programs beside the scorers
        file = side.folder / "comet" / "score" / system / f"{suite}.segments.jsonl"
        extra[name] = read_segment_scores([file] if file.is_file() else [])
    groups = mean_groups(config.suites[suite], averages(prompts[0]))
    options, plan = options_of(config, None), plan_of(config)
    rows = compare_suite(answers, kind, options, plan, extra, groups, Shown(A))
    part = len(shared) < max(map(len, prompts))
    return rows, f"on the {len(shared)} shared segments only" if part else ""


def _answers(side: Side, system: str, suite: str, prompts: list[Prompt]) -> list[Answers]:
    """Returns a system's answers, from whichever folder holds them; none where none does."""
    for folder in ANSWERS:
        outputs = side.folder / folder / system
        if (outputs / f"{suite}.jsonl").is_file():
            return read_answers(prompts, outputs, system, suite)
    return []


def _shared(a: Iterable[Prompt], b: Iterable[Prompt]) -> set[str]:
    """Returns the ids of prompts that ask and expect the same on both sides."""
    asked = {prompt.id: (prompt.turns, prompt.references) for prompt in b}
    return {prompt.id for prompt in a if asked.get(prompt.id) == (prompt.turns, prompt.references)}


def _kept(items: list[Answers], shared: set[str], name: str) -> list[Answers]:
    """Returns a side's answers to the shared prompts, under the side's name."""
    kept = (replace(item.only(shared), system=name) for item in items)
    return [item for item in kept if item.prompts]
