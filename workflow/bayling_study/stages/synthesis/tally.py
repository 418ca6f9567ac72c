"""Counts of what is in a training set, taken from its rows as they are written."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

SAMPLES = 2  # conversations of each recipe that are kept to show


class MixtureTally:
    """Counts rows, one table after the other; memory does not grow with their number. Of each
    recipe ``duplicates`` counts the rows left out because another one has the same text,
    ``samples`` has the first messages of the final order. Lengths in tokens are taken of the rows
    whose key ``sample`` divides: ``lengths`` has the number of conversations of each length,
    ``supervised`` their supervised tokens."""

    def __init__(self, sample: int = 1) -> None:
        self.sample = sample
        self.conversations = 0
        self.duplicates: Counter[str] = Counter()
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.lengths: dict[str, npt.NDArray[np.int64]] = {}
        self.supervised: Counter[str] = Counter()
        self.samples: dict[str, list[list[dict[str, str]]]] = {}

    def add(self, rows: pa.Table, repeated: pa.Table) -> None:
        """Counts rows in their final order, and rows that were left out as repeated."""
        self.conversations += len(rows)
        self.duplicates.update(_counted(repeated["recipe"]))
        directions = pc.if_else(pc.equal(rows["direction"], ""), "none", rows["direction"])
        columns = {
            "recipe": rows["recipe"],
            "direction": directions,
            "recipe_and_direction": pc.binary_join_element_wise(rows["recipe"], directions, "/"),
            "source": rows["source"],
            "language": pc.list_flatten(rows["languages"]),
            "instruction_language": rows["instruction"],
            "demand": pc.list_flatten(rows["demands"]),
            "turns": pc.cast(pc.divide(pc.list_value_length(rows["messages"]), 2), pa.string()),
        }
        for name, column in columns.items():
            self.counts[name].update(_counted(column))
        for recipe in pc.unique(rows["recipe"]).to_pylist():
            self._measure(recipe, rows, np.flatnonzero(pc.equal(rows["recipe"], recipe)))

    def _measure(self, recipe: str, rows: pa.Table, own: npt.NDArray[np.int64]) -> None:
        sampled = own[rows["key"].to_numpy()[own] % np.uint64(self.sample) == 0]
        counted = rows.select(["tokens", "supervised"]).take(sampled)
        known = self.lengths.get(recipe, np.zeros(0, np.int64))
        total = np.bincount(counted["tokens"].to_numpy(), minlength=len(known))
        total[: len(known)] += known
        self.lengths[recipe] = total
        self.supervised[recipe] += int(pc.sum(counted["supervised"]).as_py() or 0)
        kept = self.samples.setdefault(recipe, [])
        kept += rows["messages"].take(own[: SAMPLES - len(kept)]).to_pylist()


def _counted(column: Any) -> dict[str, int]:
    """Returns how often each value occurs; an empty text is no value."""
    pairs = pc.value_counts(column).to_pylist()
    return {pair["values"]: pair["counts"] for pair in pairs if pair["values"]}
