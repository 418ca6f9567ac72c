"""Progress of reading in the job's log: which source, how many rows, how fast."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Row = TypeVar("Row")

LOG = logging.getLogger(__name__)
SECONDS = 20.0
"""Between two lines."""
ROWS = 1000
"""Between two looks at the clock."""


def told(rows: Iterable[Row], what: str) -> Iterator[Row]:
    """Yields the rows and tells from time to time how many they were; at the end, all.

    How many are still to come is not known: a reader streams.

    Args:
        rows: of one source.
        what: name of the source and its place among all.
    """
    start = last = time.monotonic()
    count = 0
    for count, row in enumerate(rows, start=1):
        yield row
        if count % ROWS == 0 and time.monotonic() - last >= SECONDS:
            last = time.monotonic()
            LOG.info("%s: %d rows, %.0f a second", what, count, count / (last - start))
    seconds = time.monotonic() - start
    LOG.info("%s: %d rows in %.0f s", what, count, seconds)
