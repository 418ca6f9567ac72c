"""What scoring found of single answers: their segment scores, and what each has of its demand."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from bayling_study.core import languages
from bayling_study.core.records import Prompt
from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.reasons import Reason, asked, reasons
from bayling_study.shared.metrics.measures import meaning
from bayling_study.shared.metrics.segment_scores import SegmentScores, read_segment_scores
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.metrics import headline
from bayling_study.stages.report.samples import shown

OF_TURN = re.compile(r".+\.turn-[0-9]+")
Values = dict[str, list[Any]]
"""System to one value a prompt, in the prompts' order: a number, none, or one of these a turn."""


def segment_values(study: Study, suite: str, prompts: Sequence[Prompt]) -> dict[str, Values]:
    """Returns the segment scores of a suite by metric, the headline metrics first. A metric that
    scoring has by turn (``chrf2.turn-2``) gets a list for each prompt. Other parts of metrics are
    left out, and so is what is neither better nor worse. Values have one decimal."""
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


def _values(own: SegmentScores, metric: str, prompts: Sequence[Prompt], by_turn: bool) -> list[Any]:
    def rounded(name: str, prompt: Prompt) -> float | None:
        value = own.get(name, {}).get(prompt.id)
        return None if value is None else round(value, 1)

    if not by_turn:
        return [rounded(metric, prompt) for prompt in prompts]
    return [
        [rounded(f"{metric}.turn-{n}", prompt) for n, _ in enumerate(prompt.turns, start=1)]
        for prompt in prompts
    ]


class Demand(NamedTuple):
    """What a turn demands: checks, fragments that must be there as they stand, a language."""

    kind: str
    checks: Sequence[Check] = ()
    fragments: Sequence[str] = ()
    language: str = ""

    @property
    def asked(self) -> list[str]:
        """Everything demanded, in words."""
        texts = [*map(asked, self.checks)]
        texts += [f"has “{text}” as it stands" for text in self.fragments]
        return texts + [f"{self.language}, not copied from the user"] * bool(self.language)


def demands(prompt: Prompt) -> list[Demand]:
    """Returns the demand of each turn of an interactive or constrained prompt; none of others."""
    if "constraints" in prompt.meta:
        return [Demand("constraints", fragments=prompt.meta["constraints"])]
    return [
        Demand(demand["kind"], demand["checks"], language=_language(prompt, demand))
        for demand in prompt.meta.get("demands", [])
    ]


def _language(prompt: Prompt, demand: dict[str, Any]) -> str:
    """Returns the language that scoring looks for, which it does where a script is asked for."""
    if not any(check["type"] == "script" for check in demand["checks"]):
        return ""
    return languages.name(demand.get("target") or prompt.languages["target"])


def outcome(
    demand: Demand, met: float | None, answers: Sequence[str], turn: int
) -> list[tuple[bool | None, str]]:
    """Returns whether a demand is met and why: pairs of holds and text, the whole demand first.

    ``met`` is what scoring found (100 where it is met); of none there is nothing to say.
    ``answers`` are the system's of the conversation, ``turn`` is the turn's number, from 0.

    Scoring looks at the language last, and only where all checks hold: there it alone decides,
    and elsewhere ``holds`` is none.
    """
    if met is None:
        return []
    found = reasons(demand.checks, answers[turn], answers[:turn])
    found += [Reason(text in answers[turn]) for text in demand.fragments]
    looked = all(reason.holds for reason in found)
    holds: list[bool | None] = [reason.holds for reason in found]
    remarks = [reason.found for reason in found]
    if demand.language:
        holds.append(met == 100 if looked else None)
        remarks.append("" if looked else "not looked at")
    both = zip(demand.asked, remarks, strict=True)
    texts = [shown(f"{text}: {remark}" if remark else text) for text, remark in both]
    whole = "demand met" if met == 100 else "demand not met"
    return [(met == 100, whole), *zip(holds, texts, strict=True)]
