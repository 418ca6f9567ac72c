"""The demands of a prompt, and what each answer has of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bayling_study.core import languages
from bayling_study.core.records import Prompt
from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.reasons import Reason, asked, reasons


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
        texts = [*map(asked, self.checks), *(f"has “{text}” as it stands" for text in self.fragments)]
        return texts + [f"{self.language}, not copied from the user"] * bool(self.language)


def demands(prompt: Prompt) -> list[Demand]:
    """Returns the demand of each turn of an interactive or constrained prompt; none of others."""
    if "constraints" in prompt.meta:
        return [Demand("constraints", fragments=prompt.meta["constraints"])]
    return [
        Demand(demand["kind"], demand["checks"], language=_language(prompt, demand))
        for demand in prompt.meta.get("demands", [])
    ]


def _language(prompt: Prompt, demand: dict[str, object]) -> str:
    """Returns the language that scoring looks for, which it does where a script is asked for."""
    if not any(check["type"] == "script" for check in demand["checks"]):
        return ""
    return languages.name(demand.get("target") or prompt.languages["target"])


def outcome(demand: Demand, met: bool, answer: str, earlier: Sequence[str]) -> list[Reason]:
    """Returns what an answer has of what is demanded, in the order of ``asked``.

    ``met`` is what scoring found. It looks at the language last, and only where all checks hold:
    there it alone decides, and elsewhere there is nothing to say of it.
    """
    found = reasons(demand.checks, answer, earlier)
    found += [Reason(text in answer) for text in demand.fragments]
    looked = bool(demand.language) and all(reason.holds for reason in found)
    return found + [Reason(met)] * looked
