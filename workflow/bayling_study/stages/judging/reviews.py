"""What is put before the judge, asked until it states both scores, and what it said."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bayling_study.config.suites import Decoding
from bayling_study.core.progress import Progress
from bayling_study.core.records import Hypothesis, Prompt, write_hypotheses
from bayling_study.shared.endpoint import ChatRequest, Endpoint, request_seed
from bayling_study.shared.review_prompts import ORDERS, parse_scores, review_id, review_prompt

log = logging.getLogger(__name__)

Answers = dict[str, Hypothesis]
"""A system's answers by prompt id."""


class PairwisePrompt(NamedTuple):
    """One question with two systems' answers, in one order: id of its review, and the prompt."""

    id: str
    text: str


class Review(NamedTuple):
    """What the judge said of a pair in the last of its ``attempts``; ``reasoning``, what it thought
    before, is no part of the ``text``."""

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
    prompts: Iterable[Prompt], system: Answers, baseline: Answers, instruction: str
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


def ask(
    endpoint: Endpoint, pairs: Sequence[PairwisePrompt], how: Decoding, attempts: int, seed: int
) -> list[Review]:
    """Returns a review of every pair, in their order (``StudyError`` if the server failed or the
    budget is spent; reviews so far are kept). The first try follows ``how``; later ones sample at
    ``how.temperature``, for a deterministic judge says the same when it is asked the same."""
    reviews: dict[PairwisePrompt, Review] = {}
    waiting = list(pairs)
    for attempt in range(attempts):
        requests = [_request(pair, how, attempt, seed) for pair in waiting]
        answers = Progress("reviews", len(waiting), "answers", over=endpoint.complete(requests))
        for pair, answer in zip(waiting, answers, strict=True):
            thought, text = answer.parts
            end = answer.tokens, answer.finish, attempt + 1
            reviews[pair] = Review(pair.id, text, *end, thought)
        waiting = [pair for pair in pairs if not reviews[pair].valid]
        done = len(pairs) - len(waiting)
        log.info("attempt %d: %d of %d reviews state both scores", attempt + 1, done, len(pairs))
        if not waiting:
            break
    return [reviews[pair] for pair in pairs]


def _request(pair: PairwisePrompt, how: Decoding, attempt: int, seed: int) -> ChatRequest:
    sampled = how.sample or attempt > 0
    return ChatRequest(
        [{"role": "user", "content": pair.text}],
        how.max_new_tokens,
        how.temperature if sampled else 0.0,
        request_seed(seed, "judging", pair.id, str(attempt)) if sampled else None,
        attempt,
    )


def write_reviews(path: Path, reviews: Iterable[Review], provenance: str) -> None:
    """Writes the review file; ``provenance`` is the hash of what decided the reviews."""
    rows = []
    for r in reviews:
        thought = [r.reasoning] if r.reasoning else []
        rows.append(Hypothesis(r.id, [r.text], [r.tokens], [r.finish], provenance, thought))
    write_hypotheses(path, rows)
