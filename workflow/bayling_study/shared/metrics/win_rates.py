"""Judged comparisons: reading two scores out of each review, and counting wins.

Reviews have FairEval's output format (``review_prompts``). The system under test is Assistant 1;
where a prompt is marked ``swapped``, it was Assistant 2. Where both orders of a question were
judged, their mean counts; ``consistent-share`` is the share of questions whose winner does not
depend on the order, ``first-shown-share`` that of reviews with a winner in which it is the
assistant shown first (50 for a judge without a bias).

A released review without scores is an error. Where a study's judge states none, the question is
``unjudged``, counts in no other metric, and keeps its place, so that systems stay paired.
"""

from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics.measurement import (
    Answers,
    Measurement,
    Options,
    average,
    count,
    percentage,
    rate,
)
from bayling_study.shared.review_prompts import parse_released, parse_scores

SIGNATURE = "review|format:FairEval|orders:{orders}|version:{version}"
"""Version 1 reads scores as the released reviews have them, version 2 as other judges do."""


@dataclass
class QuestionReviews:
    """One question's reviews: a pair of scores for each order in which it was judged, and of each
    review with a winner whether that is the assistant shown first."""

    category: str
    pairs: list[tuple[float, float]] = field(default_factory=list)
    first_wins: list[bool] = field(default_factory=list)

    @property
    def scores(self) -> tuple[float, float]:
        """Mean score of the system and of its opponent; zeros where nobody judged."""
        if not self.pairs:
            return 0.0, 0.0
        return fmean(pair[0] for pair in self.pairs), fmean(pair[1] for pair in self.pairs)

    @property
    def consistent(self) -> bool:
        """Whether all orders name the same winner."""
        return len({(first > second, first < second) for first, second in self.pairs}) == 1


def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns wins, ties and losses, the summed scores and their ratio, and category means
    (``StudyError`` names the file and the review that states no score)."""
    questions = _questions(answers, strict=True)
    orders = max(len(question.pairs) for question in questions)
    signature = SIGNATURE.format(orders=orders, version=1)
    about = _orders(signature, questions) if orders > 1 else []
    return _measurements(questions, signature) + about


def measure_judged(answers: Answers, options: Options) -> list[Measurement]:
    """Returns the same of a study's own judge, and how many questions it left unjudged."""
    questions = _questions(answers, strict=False)
    meta = answers.prompts[0].meta
    judged = f"judge:{meta['judge']}|against:{meta['baseline']}"
    signature = f"{SIGNATURE.format(orders=2, version=2)}|{judged}"
    found = [*_measurements(questions, signature), *_orders(signature, questions)]
    return [
        # Without a judgement there is nothing to count or divide by: absent, not zero.
        *(one for one in found if any(q.pairs for q in questions)),
        rate("unjudged", signature, [float(not question.pairs) for question in questions]),
    ]


def _orders(signature: str, questions: list[QuestionReviews]) -> list[Measurement]:
    """Returns what two orders of the same questions tell about the judge."""
    whole = [float(len(question.pairs) > 1) for question in questions]
    agreed = [w * question.consistent for w, question in zip(whole, questions, strict=True)]
    firsts = [(sum(question.first_wins), len(question.first_wins)) for question in questions]
    return [
        rate("consistent-share", signature, agreed, whole),
        rate("first-shown-share", signature, [f for f, _ in firsts], [n for _, n in firsts]),
    ]


def _measurements(questions: list[QuestionReviews], signature: str) -> list[Measurement]:
    judged = np.array([float(bool(question.pairs)) for question in questions])
    scores = np.array([question.scores for question in questions])
    ours, theirs = scores.T
    wins, losses = (ours > theirs).astype(float), (ours < theirs).astype(float)
    ties = judged - wins - losses
    results = [
        count("win", signature, wins),
        count("tie", signature, ties),
        count("loss", signature, losses),
        rate("win-share", signature, wins, judged),
        rate("not-worse-share", signature, wins + ties, judged),
        count("score-sum", signature, ours),
        count("score-sum-opponent", signature, theirs),
        Measurement("score-ratio", signature, scores, percentage, percentage(scores)),
    ]
    for name in dict.fromkeys(question.category for question in questions if question.category):
        own = np.array([question.category == name for question in questions])
        for metric, side in (("mean", ours), ("mean-opponent", theirs)):
            results.append(average(f"{metric}.{name}", signature, side[own], weights=judged[own]))
    return results


def _questions(answers: Answers, strict: bool) -> list[QuestionReviews]:
    """Returns the questions with their scores; ``strict`` refuses a review without any."""
    questions: dict[str, QuestionReviews] = {}
    reviews = zip(answers.prompts, answers.last_turns(), strict=True)
    for index, (prompt, review) in enumerate(reviews):
        scores = parse_released(review) if strict else parse_scores(review)
        if scores is None and strict:
            what = "the review states no score for one of the assistants"
            fix = 'lines such as "Score of the Assistant 1: 8"'
            raise StudyError(what, where=answers.where(index), fix=fix)
        key = str(prompt.meta.get("question_id", prompt.id))
        category = str(prompt.meta.get("category", ""))
        question = questions.setdefault(key, QuestionReviews(category))
        if scores is not None:
            question.pairs.append(scores[::-1] if prompt.meta.get("swapped") else scores)
            if scores[0] != scores[1]:
                question.first_wins.append(scores[0] > scores[1])
    return list(questions.values())
