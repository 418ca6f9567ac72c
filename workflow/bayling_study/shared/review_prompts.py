"""Reviews of two assistants' answers: what a judge is asked, and how its scores are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from bayling_study.config.judge_prompt import INSTRUCTION

NOTHING = "(nothing)"
"""Shown for a turn that one side does not have."""

MARK = re.compile(r"\{(first|second)\}")
SCORE = re.compile(
    r"Score\s+of\s+(?:the\s+)?Assistant\s+([12])\s*[:：]\s*\**\s*(\d+(?:\.\d+)?)", re.IGNORECASE
)
"""A score in a review. Of the 1,280 released ones 14 lack "the", and some are halves."""


ORDERS = (False, True)
"""Whether the system under test is shown second: both orders of a question."""


def review_id(question: str, swapped: bool) -> str:
    """Returns the id of a question's review, by the place at which the system was shown."""
    return f"{question}/{2 if swapped else 1}"


def review_prompt(
    question: str | Sequence[str],
    first: str | Sequence[str],
    second: str | Sequence[str],
    instruction: str = INSTRUCTION,
) -> str:
    """Returns the judge's prompt for one item; a text alone is a single turn."""
    shown = {"first": _dialogue(1, question, first), "second": _dialogue(2, question, second)}
    # Not str.format: the instruction may hold other braces.
    return MARK.sub(lambda mark: shown[mark[1]], instruction)


def parse_scores(review: str) -> tuple[float, float] | None:
    """Returns the scores of Assistant 1 and 2, or none if either is not stated.

    A score that is stated again later in the review replaces the earlier one.
    """
    found = {number: float(score) for number, score in SCORE.findall(review)}
    return (found["1"], found["2"]) if len(found) == 2 else None


def _dialogue(number: int, question: str | Sequence[str], answers: str | Sequence[str]) -> str:
    lines = [f"[Conversation with Assistant {number}]"]
    turns = zip_longest(_turns(question), _turns(answers), fillvalue=NOTHING)
    for asked, answered in turns:
        lines += [f"User: {asked}", f"Assistant {number}: {answered}"]
    return "\n".join([*lines, f"[End of the conversation with Assistant {number}]"])


def _turns(text: str | Sequence[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else text
