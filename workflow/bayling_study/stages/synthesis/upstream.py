"""Which upstream conversations a mixture uses, row group by row group. Every conversation gets a
place in an order that only the seed decides. Each row group has a quota, in proportion to its
conversations; its worker takes them in that order. What a group could not fill the others fill in a
further round."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bayling_study.config.synthesis import Mixture
from bayling_study.core.errors import StudyError
from bayling_study.stages.synthesis.counts import apportion
from bayling_study.stages.synthesis.hashing import Integers, mix

ANY = ""  # stands for all languages together
TAKEN = 512  # conversations turned into Python values at a time


@dataclass(frozen=True)
class UpstreamBlock:
    """Conversations of one language (or, with none named, of all) in one row group. ``rows`` are
    places in it, in the order in which they are taken; ``taken`` of them are used up."""

    group: int
    language: str
    rows: Integers
    taken: int = 0


def blocks(path: Path, mixture: Mixture, seed: int) -> list[UpstreamBlock]:
    """Returns the blocks of ``conversations.parquet`` that a mixture uses, in an order that the
    seed decides. Its languages are kept apart (a conversation's first one counts); none puts all
    together."""
    languages, sources = mixture.general_languages, mixture.general_sources
    result = []
    start = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["languages", "source"])
            column = table["languages"].to_pylist()
            first = np.array([codes[0] if codes else "" for codes in column], dtype=object)
            names = table["source"].to_pylist()
            used = np.array([not sources or name in sources for name in names])
            places = np.arange(len(first), dtype=np.uint64) + np.uint64(start)
            keys = mix(mix(places + np.uint64(1)) ^ np.uint64(seed))
            for language in languages or [ANY]:
                chosen = np.flatnonzero(used & (first == language) if languages else used)
                order = chosen[np.argsort(keys[chosen], kind="stable")]
                if len(order):
                    result.append(UpstreamBlock(group, language, order))
            start += len(first)
    return result


def quotas(made: list[UpstreamBlock], count: int, languages: Mapping[str, float]) -> dict[int, int]:
    """Divides so many conversations over blocks; returns block number to its quota (``StudyError``
    if a language that has a share has no conversation)."""
    left: Counter[str] = Counter()
    for block in made:
        left[block.language] += len(block.rows)
    result: dict[int, int] = {}
    for language, part in apportion(count, languages or {ANY: 1.0}).items():
        if part and languages and not left[language]:
            what = f"no upstream conversation is in {language!r}"
            fix = "another language, or a source in it under corpora.conversations"
            raise StudyError(what, where="general_languages", fix=fix)
        result |= divided(made, language, part)
    return result


def divided(made: list[UpstreamBlock], language: str, count: int) -> dict[int, int]:
    """Divides so many conversations over the blocks of a language that have some left. In
    proportion to what each has; one that is asked for more runs out, which is counted."""
    room = {
        number: len(block.rows) - block.taken
        for number, block in enumerate(made)
        if block.language == language and block.taken < len(block.rows)
    }
    return apportion(count, {n: float(size) for n, size in room.items()})


class Conversations:
    """The conversations of a block that are not used up, in their order; counts what is taken."""

    def __init__(self, path: Path, block: UpstreamBlock) -> None:
        self._path, self._block = path, block
        self.taken = block.taken

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        with pq.ParquetFile(self._path) as file:
            table = file.read_row_group(self._block.group)
        for start in range(self._block.taken, len(self._block.rows), TAKEN):
            for row in table.take(self._block.rows[start : start + TAKEN]).to_pylist():
                self.taken += 1
                yield row
