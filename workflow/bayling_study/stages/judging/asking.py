"""Asking the judge until it states both scores, a limited number of times."""

import logging
from collections.abc import Sequence

from bayling_study.config.suites import Decoding
from bayling_study.core.progress import Progress
from bayling_study.shared.endpoint import ChatRequest, Endpoint, request_seed
from bayling_study.stages.judging.comparisons import PairwisePrompt, Review

log = logging.getLogger(__name__)


def ask(
    endpoint: Endpoint, pairs: Sequence[PairwisePrompt], how: Decoding, attempts: int, seed: int
) -> list[Review]:
    """Returns a review of every pair, in their order.

    The first try follows ``how``. Asking a deterministic judge the same again
    would bring the same again, so later tries sample at ``how.temperature``.

    Raises:
        StudyError: the server failed or the budget is spent; reviews so far are kept.
    """
    reviews: dict[PairwisePrompt, Review] = {}
    waiting = list(pairs)
    for attempt in range(attempts):
        requests = [_request(pair, how, attempt, seed) for pair in waiting]
        answers = Progress("reviews", len(waiting), "answers", over=endpoint.complete(requests))
        for pair, answer in zip(waiting, answers, strict=True):
            thought, text = answer.parts
            reviews[pair] = Review(
                pair.id, text, answer.tokens, answer.finish, attempt + 1, thought
            )
        waiting = [pair for pair in pairs if not reviews[pair].valid]
        log.info(
            "attempt %d: %d of %d reviews state both scores",
            *(attempt + 1, len(pairs) - len(waiting), len(pairs)),
        )
        if not waiting:
            break
    return [reviews[pair] for pair in pairs]


def _request(pair: PairwisePrompt, how: Decoding, attempt: int, seed: int) -> ChatRequest:
    sampled = how.sample or attempt > 0
    names = ("judging", pair.id, str(attempt))
    return ChatRequest(
        [{"role": "user", "content": pair.text}],
        how.max_new_tokens,
        how.temperature if sampled else 0.0,
        request_seed(seed, *names) if sampled else None,
        attempt,
    )
