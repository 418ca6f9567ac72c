"""Batches of texts of similar length under a token budget."""

from collections.abc import Iterator, Sequence


def length_batches(
    lengths: Sequence[int], budget: int, most: int | None = None
) -> Iterator[list[int]]:
    """Yields the indices of ``lengths`` in batches of ``most``, longest first. A batch is padded to
    its longest member, so it costs (its longest length x its size) tokens, which stays within
    ``budget``; a longer text is a batch of its own. Longest first means that a budget too large for
    the memory fails at once and not at the end."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (lengths[batch[0]] * (len(batch) + 1) > budget or len(batch) == most):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
