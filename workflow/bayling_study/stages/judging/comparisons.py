"""What is put before the judge, and what it said."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bayling_study.core.records import Hypothesis, Prompt, write_hypotheses
from bayling_study.shared.review_prompts import ORDERS, parse_scores, review_id, review_prompt


@dataclass(frozen=True)
class PairwisePrompt:
    """One question with two systems' answers, in one order: id of its review, and the prompt."""

    id: str
    text: str


@dataclass(frozen=True)
class Review:
    """What the judge said of a pair, the last time it was asked.

    Attributes:
        id: the pair's.
        tokens, finish: tokens generated, and why it ended.
        attempts: how often the judge was asked.
        reasoning: what the judge thought before; no part of ``text``.
    """

    id: str
    text: str
    tokens: int
    finish: str
    attempts: int
    reasoning: str = ""

    @property
    def valid(self) -> bool:
        """Whether it states both scores."""
        return parse_scores(self.text) is not None


def pairs(
    prompts: Iterable[Prompt],
    system: dict[str, Hypothesis],
    baseline: dict[str, Hypothesis],
    instruction: str,
) -> list[PairwisePrompt]:
    """Returns both orders of every question, the system first and then second."""
    found = []
    for prompt in prompts:
        ours, theirs = system[prompt.id].turns, baseline[prompt.id].turns
        for swapped in ORDERS:
            first, second = (theirs, ours) if swapped else (ours, theirs)
            text = review_prompt(prompt.turns, first, second, instruction)
            found.append(PairwisePrompt(review_id(prompt.id, swapped), text))
    return found


def write_reviews(path: Path, reviews: Iterable[Review], provenance: str) -> None:
    """Writes the review file; ``provenance`` is the hash of what decided the reviews."""
    rows = (
        Hypothesis(
            *(r.id, [r.text], [r.tokens], [r.finish]),
            provenance=provenance,
            reasoning=[r.reasoning] if r.reasoning else [],
        )
        for r in reviews
    )
    write_hypotheses(path, rows)
