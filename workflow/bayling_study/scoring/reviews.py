"""Judged comparisons: reading two scores out of each review, and counting wins.

The released reviews are GPT-4's in the output format of FairEval: "Score of the
Assistant 1: 8" and the same for Assistant 2, now and then without "the", and
with halves. The system under test is Assistant 1; a review whose prompt is
marked ``swapped`` showed it second, and its scores are exchanged.

Where both orders of a question were judged, their mean counts, and the share of
questions whose winner depends on the order is reported as ``disagreement``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from bayling_study.errors import StudyError
from bayling_study.scoring.measurement import (
    Answers,
    Array,
    Measurement,
    Options,
    average,
    count,
    quotient,
    rate,
)

SCORE = re.compile(
    r"Score\s+of\s+(?:the\s+)?Assistant\s+([12])\s*[:：]\s*\**\s*(\d+(?:\.\d+)?)", re.IGNORECASE
)
SIGNATURE = "review|format:FairEval|orders:{orders}|version:1"


@dataclass
class Question:
    """One question's reviews: a pair of scores for each order in which it was judged."""

    category: str
    pairs: list[tuple[float, float]] = field(default_factory=list)

    @property
    def scores(self) -> tuple[float, float]:
        """Mean score of the system and of its opponent."""
        return fmean(pair[0] for pair in self.pairs), fmean(pair[1] for pair in self.pairs)

    @property
    def disputed(self) -> bool:
        """Whether the orders name different winners."""
        return len({_sign(first - second) for first, second in self.pairs}) > 1


def parse_scores(review: str) -> tuple[float, float] | None:
    """Returns the scores of Assistant 1 and 2, or none if either is not stated.

    A score that is stated again later in the review replaces the earlier one.
    """
    found = {number: float(score) for number, score in SCORE.findall(review)}
    return (found["1"], found["2"]) if len(found) == 2 else None


def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns wins, ties and losses, the summed scores and their ratio, and category means.

    Raises:
        StudyError: a review states no score; names the file and the review.
    """
    questions = list(_questions(answers).values())
    orders = max(len(question.pairs) for question in questions)
    signature = SIGNATURE.format(orders=orders)
    ours = [question.scores[0] for question in questions]
    theirs = [question.scores[1] for question in questions]
    wins = [float(a > b) for a, b in zip(ours, theirs, strict=True)]
    ties = [float(a == b) for a, b in zip(ours, theirs, strict=True)]
    ones = [1.0] * len(questions)
    results = [
        count("win", signature, wins),
        count("tie", signature, ties),
        count("loss", signature, [1 - a - b for a, b in zip(wins, ties, strict=True)]),
        rate("win-share", signature, wins, ones),
        rate("not-worse-share", signature, [a + b for a, b in zip(wins, ties, strict=True)], ones),
        count("score-sum", signature, ours),
        count("score-sum-opponent", signature, theirs),
        _ratio(signature, ours, theirs),
    ]
    if orders > 1:
        disputed = [float(question.disputed) for question in questions]
        results.append(rate("disagreement", signature, disputed, ones))
    return results + _categories(signature, questions)


def _questions(answers: Answers) -> dict[str, Question]:
    questions: dict[str, Question] = {}
    for index, (prompt, review) in enumerate(
        zip(answers.prompts, answers.last_turns(), strict=True)
    ):
        scores = parse_scores(review)
        if scores is None:
            raise StudyError(
                "the review states no score for one of the assistants",
                where=answers.where(index),
                fix='lines such as "Score of the Assistant 1: 8"',
            )
        key = str(prompt.meta.get("question_id", prompt.id))
        category = str(prompt.meta.get("category", ""))
        question = questions.setdefault(key, Question(category))
        question.pairs.append(scores[::-1] if prompt.meta.get("swapped") else scores)
    return questions


def _ratio(signature: str, ours: list[float], theirs: list[float]) -> Measurement:
    statistics = np.array([ours, theirs]).T
    return Measurement(
        "score-ratio", signature, statistics, _ratio_of_sums, _ratio_of_sums(statistics)
    )


def _ratio_of_sums(sums: Array) -> Array:
    return quotient(sums[..., 0], sums[..., 1], 100.0)


def _categories(signature: str, questions: list[Question]) -> list[Measurement]:
    results = []
    for name in dict.fromkeys(question.category for question in questions if question.category):
        members = [question for question in questions if question.category == name]
        for position, metric in enumerate(("mean", "mean-opponent")):
            values = [question.scores[position] for question in members]
            results.append(average(f"{metric}.{name}", signature, values))
    return results


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)
