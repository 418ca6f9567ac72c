"""Why a demand is met or not: what each check asks, and what the answer has instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bayling_study.core import languages
from bayling_study.core.records import ROUNDING
from bayling_study.core.text.words import length, script_share, words
from bayling_study.shared.interactive.checks import Check, compared_share, satisfied

HAN = {"Hans": "simplified Chinese", "Hant": "traditional Chinese"}
"""Scripts whose name CLDR shortens so that it is clear only beside the language."""
PARTS = {"answer": "of it is from", "earlier": "is left of", "both": "is as in"}


def _script(code: str) -> str:
    return HAN.get(code) or str(languages.locale("en").scripts.get(code, code))


def _percent(share: float) -> str:
    """Returns a share as whole percent, cut: what is short of 80 % must not read as 80 %."""
    return f"{int(100 * share + ROUNDING)} %"


def _ordinal(place: int) -> str:
    return {0: "the first sentence", -1: "the last sentence"}.get(place, f"sentence {place + 1}")


ASKED: dict[str, Callable[[Check], str]] = {
    "contains": lambda check: f"has “{check['text']}”",
    "excludes": lambda check: f"lacks “{check['text']}”",
    "starts-with": lambda check: f"begins with “{check['text']}”",
    "ends-with": lambda check: f"ends with “{check['text']}”",
    "max-length": lambda check: f"at most {check['value']} {check['unit']}",
    "min-length": lambda check: f"at least {check['value']} {check['unit']}",
    "shorter": lambda _: "fewer words than before",
    "longer": lambda _: "more words than before",
    "script": lambda check: f"in {_script(check['script'])} script",
    "upper-case": lambda _: "capitals only",
    "quoted": lambda _: "in quotation marks",
    "similar": lambda check: f"at least {_percent(check['least'])} as “{check['text']}”",
    "keeps": lambda check: (
        f"at least {_percent(check['least'])} {PARTS[check.get('of', 'both')]} the previous answer"
        f"{', with the change' if check.get('replace') or check.get('remove') else ''}"
    ),
    "part": lambda check: f"is {_ordinal(check['sentence'])} of the previous answer",
    "changed": lambda _: "differs from the previous answer",
}
"""Type of a check to what it asks of an answer."""

FOUND: dict[str, Callable[[Check, str, Sequence[str]], str]] = {
    **dict.fromkeys(
        ("max-length", "min-length"),
        lambda check, answer, _: f"{length(answer, check['unit'])} {check['unit']}",
    ),
    **dict.fromkeys(
        ("shorter", "longer"),
        lambda _, answer, before: f"{len(words(answer))} after {len(words(''.join(before[-1:])))}",
    ),
    **dict.fromkeys(
        ("similar", "keeps", "part"),
        lambda check, answer, before: _percent(compared_share(check, answer, before)),
    ),
    "script": lambda check, answer, _: (
        f"{_percent(script_share(answer, check['script']))} of its words"
    ),
}
"""Type of a check to what was counted in an answer, where it counts."""


@dataclass(frozen=True)
class Reason:
    """Whether one check holds, and what was counted instead where it counts anything."""

    holds: bool
    found: str = ""


def asked(check: Check) -> str:
    """Returns in words what a check asks; of a type without words, its name and arguments."""
    if check["type"] in ASKED:
        return ASKED[check["type"]](check)
    given = ", ".join(f"{key} {value}" for key, value in check.items() if key != "type")
    return f"{check['type']} {given}".rstrip()


def reasons(checks: Sequence[Check], answer: str, earlier: Sequence[str]) -> list[Reason]:
    """Returns for each check whether the answer satisfies it, and what it has instead.

    ``earlier`` holds the conversation's answers before this one, the oldest first.

    Raises:
        StudyError: the type of a check is unknown.
    """
    return [_reason(check, answer, earlier) for check in checks]


def _reason(check: Check, answer: str, earlier: Sequence[str]) -> Reason:
    if satisfied(check, answer, earlier):
        return Reason(True)
    if not answer.strip():
        return Reason(False, "the answer is empty")
    found = FOUND.get(check["type"])
    return Reason(False, found(check, answer, earlier) if found else "")
