"""The demands of a prompt, and what each answer has of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bayling_study.core import languages
from bayling_study.core.records import Prompt
from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.reasons import Reason, asked, reasons
from bayling_study.stages.report.samples import shown


@dataclass(frozen=True)
class Demand:
    """What a turn demands: checks, fragments that must be there as they stand, a language."""

    kind: str
    checks: Sequence[Check] = ()
    fragments: Sequence[str] = ()
    language: str = ""

    @property
    def asked(self) -> list[str]:
        """Everything demanded, in words."""
        texts = [
            *map(asked, self.checks),
            *(f"has “{text}” as it stands" for text in self.fragments),
        ]
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

    Args:
        demand: that of the turn.
        met: what scoring found (100 where it is met); of none there is nothing to say.
        answers: the system's answers of the conversation.
        turn: number of the turn, from 0.

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
