"""Batches of texts of similar length under a token budget."""

from collections.abc import Iterator, Sequence


def length_batches(lengths: Sequence[int], budget: int, most: int = 0) -> Iterator[list[int]]:
    """Yields the indices of ``lengths`` in batches, of ``most`` if so. A batch costs its longest
    member's length times its size, at most ``budget`` tokens; a longer text is alone. The longest
    are first, so that a budget too large for the memory fails at once."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batch and (lengths[batch[0]] * (len(batch) + 1) > budget or len(batch) == most):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
