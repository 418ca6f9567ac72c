"""Why a demand is met or not: what each check asks, and what the answer has instead."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from bayling_study.core import languages
from bayling_study.core.records import ROUNDING
from bayling_study.core.tables import beside
from bayling_study.core.text.words import length, script_share, words
from bayling_study.shared.interactive.checks import Check, compared_share, satisfied

WORDINGS = beside(__file__)
ASKED: dict[str, str] = WORDINGS["asked"]
"""Type of a check to what it asks of an answer."""
HAN: dict[str, str] = WORDINGS["han"]
"""Scripts whose name CLDR shortens so that it is clear only beside the language."""


class Reason(NamedTuple):
    """Whether a check holds, and what was counted instead where it counts anything."""

    holds: bool
    found: str = ""


def asked(check: Check) -> str:
    """Returns in words what a check asks; of a type without words, its name and arguments."""
    kind = check["type"]
    if kind not in ASKED:
        given = ", ".join(f"{key} {value}" for key, value in check.items() if key != "type")
        return f"{kind} {given}".rstrip()
    said: dict[str, Any] = check | {"of": WORDINGS["parts"][check.get("of", "both")]}
    said["change"] = ", with the change" if check.get("replace") or check.get("remove") else ""
    for key, worded in (("least", _percent), ("script", _script), ("sentence", _sentence)):
        if key in check:
            said[key] = worded(check[key])
    return ASKED[kind].format_map(said)


def reasons(checks: Sequence[Check], answer: str, earlier: Sequence[str]) -> list[Reason]:
    """Returns for each check (``StudyError`` if of an unknown type) whether the answer satisfies
    it, and what it has instead; ``earlier`` are the conversation's answers so far."""
    met = [satisfied(check, answer, earlier) for check in checks]
    found = ("" if yes else _found(c, answer, earlier) for c, yes in zip(checks, met, strict=True))
    return list(map(Reason, met, found))


def _found(check: Check, answer: str, earlier: Sequence[str]) -> str:
    if not answer.strip():
        return "the answer is empty"
    match check["type"]:
        case "max-length" | "min-length":
            return f"{length(answer, check['unit'])} {check['unit']}"
        case "shorter" | "longer":
            return f"{len(words(answer))} after {len(words(''.join(earlier[-1:])))}"
        case "similar" | "keeps" | "part":
            return _percent(compared_share(check, answer, earlier))
        case "script":
            return f"{_percent(script_share(answer, check['script']))} of its words"
    return ""


def _percent(share: float) -> str:
    """Returns a share as whole percent, cut: what is short of 80 % must not read as 80 %."""
    return f"{int(100 * share + ROUNDING)} %"


def _script(code: str) -> str:
    return HAN.get(code) or str(languages.locale("en").scripts.get(code, code))


def _sentence(place: int) -> str:
    return {0: "the first sentence", -1: "the last sentence"}.get(place, f"sentence {place + 1}")
