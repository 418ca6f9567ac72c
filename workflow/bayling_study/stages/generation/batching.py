"""Which prompts are decoded together: those of similar length, the longest first. So there is
little padding, and what needs most memory comes at the start. What a prompt is answered with does
not depend on the others: padding is masked, and positions start at the first real token."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

PROMPT_TOKENS = 1024  # of prompts computed at once: more are no faster on a CPU, and pad more


class PromptTokens(NamedTuple):
    """An answer to be generated of at most ``limit`` tokens, to the conversation of these ``ids``.
    ``cut`` tokens were dropped from the start of the prompt ``id`` to fit the context."""

    id: str
    ids: list[int]
    limit: int
    cut: int = 0

    @property
    def width(self) -> int:
        """The tokens that prompt and answer have together at most."""
        return len(self.ids) + self.limit


def fit_context(name: str, ids: list[int], max_new: int, context: int) -> PromptTokens:
    """Returns the request for a prompt, made to fit into the model's context. An answer may use
    what the prompt leaves of it, and half of ``max_new`` (or of the context) in any case: a longer
    prompt loses tokens at its start, as in FastChat, which the authors' scripts build on."""
    reserved = max(1, min(max_new, context) // 2)
    cut = max(0, len(ids) + reserved - context)
    kept = ids[cut:]
    return PromptTokens(name, kept, min(max_new, context - len(kept)), cut)


class BatchLimits(NamedTuple):
    """The most that is decoded at once: tokens (rows × (prompt + limit) of the longest), and
    requests. One request alone is always allowed."""

    tokens: int
    requests: int

    def allow(self, count: int, width: int, beams: int = 1) -> bool:
        """Tells whether so many requests of at most ``width`` tokens fit."""
        return count == 1 or (count <= self.requests and count * beams * width <= self.tokens)


def plan(
    requests: Iterable[PromptTokens], limits: BatchLimits, beams: int = 1
) -> Iterator[list[PromptTokens]]:
    """Yields batches of requests with one common answer limit, longest prompts first."""
    batch: list[PromptTokens] = []
    for request in sorted(requests, key=lambda r: (-r.limit, -len(r.ids), r.id)):
        width = (batch or [request])[0].width
        fits = limits.allow(len(batch) + 1, width, beams)
        if batch and not (fits and request.limit == batch[0].limit):
            yield batch
            batch = []
        batch.append(request)
    if batch:
        yield batch


def in_order(requests: Iterable[PromptTokens]) -> list[PromptTokens]:
    """Returns requests in the order in which they get a place: the longest prompts first."""
    return sorted(requests, key=lambda r: (-len(r.ids), -r.width, r.id))


def taken(
    waiting: list[PromptTokens], limits: BatchLimits, rows: list[PromptTokens]
) -> Iterator[list[PromptTokens]]:
    """Takes from the end of ``waiting`` what finds a place beside the ``rows`` that are decoded
    already; yields it in the batches in which prompts are computed."""
    count, width = len(rows), max((row.width for row in rows), default=0)
    batch: list[PromptTokens] = []
    while waiting and limits.allow(count + 1, max(width, waiting[-1].width)):
        count, width = count + 1, max(width, waiting[-1].width)
        if batch and (len(batch) + 1) * len(batch[0].ids) > PROMPT_TOKENS:
            yield batch
            batch = []
        batch.append(waiting.pop())
    if batch:
        yield batch
