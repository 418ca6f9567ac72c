"""Which prompts are decoded together: those of similar length, the longest first. So there is
little padding, and what needs most memory comes at the start. What a prompt is answered with does
not depend on the others: padding is masked, and positions start at the first real token."""

from collections.abc import Iterable
from typing import NamedTuple

PROMPT_TOKENS = 1024  # of prompts computed at once: more are no faster on a CPU, and pad more


class PromptTokens(NamedTuple):
    """An answer to be generated of at most ``limit`` tokens, to the conversation of these ``ids``.
    ``cut`` tokens were dropped from the start of the prompt ``id`` to fit the context; the first
    ``known`` were read in the turns before. ``goes_on`` tells whether there is a turn after it."""

    id: str
    ids: list[int]
    limit: int
    cut: int = 0
    known: int = 0
    goes_on: bool = False

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
    """The most that is decoded at once: tokens (rows × (prompt + limit) of the longest, each beam
    a row), and requests. One request alone is always allowed."""

    tokens: int
    requests: int

    def allow(self, count: int, width: int, beams: int = 1) -> bool:
        """Tells whether so many requests of at most ``width`` tokens fit."""
        return count == 1 or (count <= self.requests and count * beams * width <= self.tokens)


def in_order(requests: Iterable[PromptTokens]) -> list[PromptTokens]:
    """Returns requests as they wait for a place: the longest prompts are first, at the end."""
    return sorted(requests, key=lambda r: (len(r.ids), r.width, r.id))


def taken(
    waiting: list[PromptTokens], limits: BatchLimits, rows: list[PromptTokens], beams: int = 1
) -> list[PromptTokens]:
    """Takes from the end of ``waiting`` the next prompts to be computed together; none if there is
    no place beside the ``rows`` that are decoded already."""
    batch: list[PromptTokens] = []
    width = max((row.width for row in rows), default=0)
    while waiting:
        count, width = len(batch) + 1, max(width, waiting[-1].width)
        new = max(len(request.ids) - request.known for request in [*batch, waiting[-1]])
        too_many = count > 1 and count * new > PROMPT_TOKENS
        if too_many or not limits.allow(len(rows) + count, width, beams):
            break
        batch.append(waiting.pop())
    return batch
