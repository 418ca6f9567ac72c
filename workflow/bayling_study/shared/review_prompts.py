"""Reviews of two assistants' answers: what a judge is asked, and how its scores are read."""

import re
from collections.abc import Sequence
from itertools import zip_longest

from bayling_study.config.suites import JUDGE_PROMPT
from bayling_study.shared import reasoning

NOTHING = "(nothing)"  # shown for a turn that one side does not have

MARK = re.compile(r"\{(first|second)\}")
RELEASED = re.compile(
    r"Score\s+of\s+(?:the\s+)?Assistant\s+([12])\s*[:：]\s*\**\s*(\d+(?:\.\d+)?)", re.IGNORECASE
)
"""A score in a released review. Of the 1,280 ones 14 lack "the", and some are halves."""
DRESS = r"[\s*_`\"'“”<>\[\](){}|]*"
"""What judges put around a label or a number: Markdown, quotation marks, brackets, a table."""
SCORE = re.compile(
    rf"Score\s+of\s+(?:the\s+)?Assistant\s+([12]){DRESS}[:：=|]{DRESS}"
    r"(\d+(?:[.,٫]\d+)?)(?=([^\n]*))",
    re.IGNORECASE,
)
"""A score as other judges write it, and the rest of its line."""
OTHER = re.compile(
    rf"{DRESS}(?:\d|[½¼¾%％]|(?:[-‐-―−~～〜至到]|to\b|or\b){DRESS}\d|"
    rf"(?:/|out\s+of\b|of\b){DRESS}(?!10(?![\d.,]))\d)",
    re.IGNORECASE,
)
"""What makes a number no score of the scale: a range, a fraction, per cent, another scale."""
LOWEST, HIGHEST = 1, 10  # of ``judge_prompt``

ORDERS = (False, True)  # whether the system under test is shown second: both orders of a question


def review_id(question: str, swapped: bool) -> str:
    """Returns the id of a question's review, by the place at which the system was shown."""
    return f"{question}/{2 if swapped else 1}"


def review_prompt(
    question: str | Sequence[str],
    first: str | Sequence[str],
    second: str | Sequence[str],
    instruction: str = JUDGE_PROMPT,
) -> str:
    """Returns the judge's prompt for one item; a text alone is a single turn."""
    shown = {"first": _dialogue(1, question, first), "second": _dialogue(2, question, second)}
    # Not str.format: the instruction may hold other braces.
    return MARK.sub(lambda mark: shown[mark[1]], instruction)


def parse_released(review: str) -> tuple[float, float] | None:
    """Returns what ``parse_scores`` does, by the rule that gives the published figures."""
    found = {number: float(score) for number, score in RELEASED.findall(review)}
    return (found["1"], found["2"]) if len(found) == 2 else None


def parse_scores(review: str) -> tuple[float, float] | None:
    """Returns the scores of Assistant 1 and 2, or none if either is not stated. A score that is
    stated again later in the review replaces the earlier one, also by none where that is no score
    of the scale (a range, 80, 4/5). No draft counts (``reasoning``)."""
    found: dict[str, float | None] = {}
    for assistant, number, rest in SCORE.findall(reasoning.split(review)[1]):
        score = float(re.sub("[,٫]", ".", number))
        found[assistant] = score if LOWEST <= score <= HIGHEST and not OTHER.match(rest) else None
    first, second = found.get("1"), found.get("2")
    return None if first is None or second is None else (first, second)


def _dialogue(number: int, question: str | Sequence[str], answers: str | Sequence[str]) -> str:
    lines = [f"[Conversation with Assistant {number}]"]
    for asked, answered in zip_longest(_turns(question), _turns(answers), fillvalue=NOTHING):
        lines += [f"User: {asked}", f"Assistant {number}: {answered}"]
    return "\n".join([*lines, f"[End of the conversation with Assistant {number}]"])


def _turns(text: str | Sequence[str]) -> Sequence[str]:
    return [text] if isinstance(text, str) else text
