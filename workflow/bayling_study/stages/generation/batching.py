"""Which prompts are decoded together: those of similar length, the longest first. So a batch holds
little padding, and the one that needs most memory comes at the start. What a prompt is answered
with does not depend on its batch: padding is masked, positions start at the first real token, and
all rows of a batch have the same answer limit."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class PromptTokens(NamedTuple):
    """An answer to be generated of at most ``limit`` tokens, to the conversation of these ``ids``.
    ``cut`` tokens were dropped from the start of the prompt ``id`` to fit the context."""

    id: str
    ids: list[int]
    limit: int
    cut: int = 0


def fit_context(name: str, ids: list[int], max_new: int, context: int) -> PromptTokens:
    """Returns the request for a prompt, made to fit into the model's context. An answer may use
    what the prompt leaves of it, and half of ``max_new`` (or of the context) in any case: a longer
    prompt loses tokens at its start, as in FastChat, which the authors' scripts build on."""
    reserved = max(1, min(max_new, context) // 2)
    cut = max(0, len(ids) + reserved - context)
    kept = ids[cut:]
    return PromptTokens(name, kept, min(max_new, context - len(kept)), cut)


def plan(
    requests: Iterable[PromptTokens], batch_tokens: int, max_batch: int, beams: int = 1
) -> Iterator[list[PromptTokens]]:
    """Yields batches, longest prompts first, of at most ``max_batch`` requests and ``batch_tokens``
    (requests × beams × (longest prompt + limit)). One request alone is always allowed."""
    batch: list[PromptTokens] = []
    for request in sorted(requests, key=lambda r: (-r.limit, -len(r.ids), r.id)):
        width = (len(batch[0].ids) if batch else len(request.ids)) + request.limit
        too_big = (len(batch) + 1) * beams * width > batch_tokens or len(batch) == max_batch
        if batch and (too_big or request.limit != batch[0].limit):
            yield batch
            batch = []
        batch.append(request)
    if batch:
        yield batch
