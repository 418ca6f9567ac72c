"""What a demand asks of an answer, as data that code can check.

A check is a JSON object with a ``type`` and its arguments. The same function verifies every
synthesised conversation and scores every system's answer. ``earlier`` holds the answers of the
same conversation before this one: in synthesis the written ones, in scoring the system's own.

| type | arguments | satisfied when the answer |
|---|---|---|
| ``contains``, ``excludes`` | text | has, or lacks, the fragment at word boundaries |
| ``starts-with``, ``ends-with`` | text | begins, or ends, with the text |
| ``max-length``, ``min-length`` | value, unit | has at most, at least, so many words (characters) |
| ``shorter``, ``longer`` | – | has fewer, or more, words than the previous answer |
| ``script`` | script | has enough of its words in the script (ISO 15924) |
| ``upper-case`` | – | has no lower-case letter |
| ``quoted`` | – | begins and ends with quotation marks |
| ``similar`` | text, least | shares so much with a given text |
| ``keeps`` | of, least, replace, remove | shares so much with the previous answer |
| ``part`` | sentence, least | is that sentence of the previous answer |
| ``changed`` | – | differs from the previous answer |

An empty answer satisfies nothing. Case (but for ``upper-case``), spacing and forms never decide.
"""

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

from bayling_study.core.lookup import look_up
from bayling_study.core.text.forms import normalise, occurrences
from bayling_study.core.text.words import QUOTES, length, script_share, sentences, words

Check = dict[str, Any]
Rule = Callable[[Check, str, Sequence[str]], bool]

LATIN_SHARE = 0.8
"""Share of a Latin-script answer's words that must be Latin: others have no business in it."""
OTHER_SHARE = 0.2
"""The same for other scripts, in which Latin names stand ("Откройте Home Assistant")."""


def satisfied(check: Check, answer: str, earlier: Sequence[str]) -> bool:
    """Tells whether an answer satisfies one check (``StudyError`` if its type is unknown)."""
    rule = look_up("check", check["type"], RULES)
    return bool(answer.strip()) and rule(check, answer, earlier)


def verify(checks: Sequence[Check], answer: str, earlier: Sequence[str]) -> list[bool]:
    """Returns for each check whether the answer satisfies it."""
    return [satisfied(check, answer, earlier) for check in checks]


def matched_share(one: str, other: str, of: str = "both") -> float:
    """Returns the share of words that two texts have in common, in order, ``of`` the words of
    ``one`` or ``other``, or of the mean of ``both`` (0 when there are none)."""
    left, right = words(normalise(one)), words(normalise(other))
    blocks = SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks()
    common = sum(block.size for block in blocks)
    total = {"one": len(left), "other": len(right), "both": (len(left) + len(right)) / 2}[of]
    return common / total if total else 0.0


def compared_share(check: Check, answer: str, earlier: Sequence[str]) -> float:
    """Returns how much an answer shares with what ``similar``, ``keeps`` or ``part`` names: the
    given text, the previous answer after the change that was asked for, or one sentence of it. That
    is a share of words in order (0 to 1), 0 where there is no such thing."""
    if check["type"] == "similar":
        return matched_share(answer, check["text"])
    before = earlier[-1] if earlier else ""
    if check["type"] == "part":
        parts = sentences(before)
        inside = -len(parts) <= check["sentence"] < len(parts)
        return matched_share(answer, parts[check["sentence"]]) if inside else 0.0
    for old, new in check.get("replace", []):
        before = before.replace(old, new)
    for fragment in check.get("remove", []):
        answer = answer.replace(fragment, "")
    of = {"answer": "one", "earlier": "other", "both": "both"}[check.get("of", "both")]
    return matched_share(answer, before, of) if earlier else 0.0


def _shares(check: Check, answer: str, earlier: Sequence[str]) -> bool:
    return compared_share(check, answer, earlier) >= float(check["least"])


def _compared_length(answer: str, earlier: Sequence[str]) -> int:
    """Returns how many words longer the answer is than the previous one."""
    return len(words(answer)) - (len(words(earlier[-1])) if earlier else 0)


RULES: dict[str, Rule] = {
    "contains": lambda check, answer, _: occurrences(answer, check["text"]) > 0,
    "excludes": lambda check, answer, _: occurrences(answer, check["text"]) == 0,
    "starts-with": lambda check, answer, _: normalise(answer).startswith(normalise(check["text"])),
    "ends-with": lambda check, answer, _: normalise(answer).endswith(normalise(check["text"])),
    "max-length": lambda check, answer, _: length(answer, check["unit"]) <= check["value"],
    "min-length": lambda check, answer, _: length(answer, check["unit"]) >= check["value"],
    "shorter": lambda _, answer, earlier: _compared_length(answer, earlier) < 0,
    "longer": lambda _, answer, earlier: _compared_length(answer, earlier) > 0,
    "script": lambda check, answer, _: (
        script_share(answer, check["script"])
        >= (LATIN_SHARE if check["script"] == "Latn" else OTHER_SHARE)
    ),
    "upper-case": lambda _, answer, __: (
        not any(letter.islower() and letter.upper() != letter for letter in answer)
    ),
    "quoted": lambda _, answer, __: answer.strip()[0] in QUOTES and answer.strip()[-1] in QUOTES,
    "similar": _shares,
    "keeps": _shares,
    "part": _shares,
    "changed": lambda _, answer, earlier: (
        bool(earlier) and normalise(answer) != normalise(earlier[-1])
    ),
}
"""Check type to the rule that decides it."""
