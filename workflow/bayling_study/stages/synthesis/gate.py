"""The gate: what enters the training set, and counts of what does not."""

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from bayling_study.config.synthesis import Mixture
from bayling_study.shared.interactive.dialogue import Rejections
from bayling_study.shared.templates.counting import SEAM, count_tokens, fits
from bayling_study.stages.synthesis.decontamination import Contamination
from bayling_study.stages.synthesis.hashing import Hashes
from bayling_study.stages.synthesis.types import Instruction, Message

MEASURED_ALL = 200_000  # conversations up to which each one's tokens are counted
SAMPLE = 16
"""In larger ones one in so many is counted, drawn by its key, and each that could be too long."""
SHOWN = 200  # characters of a rejected conversation that the audit shows


class Gate:
    """Checks conversations for repetition, length and the text of tests. The mixture's seed decides
    the final order. ``keys`` are those, sorted, of what other gates let in, which counts as
    repeated."""

    def __init__(
        self, mixture: Mixture, tokenizer: Any, tests: Contamination, seed: int, keys: Hashes | None
    ) -> None:
        self._mixture, self._tokenizer, self._tests = mixture, tokenizer, tests
        self._all = mixture.conversations <= MEASURED_ALL
        self._salt = seed.to_bytes(8, "big")
        self._seen: set[int] = set()
        self._frames, self._words = dict[int, int](), dict[str, int]()  # tokens of each
        self._known = np.empty(0, np.uint64) if keys is None else keys
        self.rejections = Rejections()
        self.removed: Counter[str] = Counter()  # by suite

    def admit(self, made: Sequence[Instruction]) -> list[Instruction]:
        """Returns those that pass, measured, in their order; counts the others by reason."""
        fresh = []
        keys = [self._key(item) for item in made]
        found = np.array(keys, np.uint64)
        known = self._known.searchsorted(found) < self._known.searchsorted(found, "right")
        for item, key, repeated in zip(made, keys, known, strict=True):
            item.key = key
            if repeated or key in self._seen:
                self._reject(item, "duplicate")
            else:
                self._seen.add(key)
                fresh.append(item)
        return self._clean(self._measure(fresh))

    def _key(self, item: Instruction) -> int:
        text = _text(item).encode("utf-8", "replace")
        return int.from_bytes(blake2b(text, digest_size=8, salt=self._salt).digest(), "big")

    def _measure(self, made: Sequence[Instruction]) -> list[Instruction]:
        """Returns the conversations that are short enough."""
        most, each = self._mixture.max_tokens, self._mixture.recipe_max_tokens
        limits = [min(most, each.get(item.recipe, most)) for item in made]
        counted = made
        if not self._all:
            room = [n - self._frame(item.messages) for item, n in zip(made, limits, strict=True)]
            sure = fits(self._tokenizer, list(map(_text, made)), room, self._words)
            pairs = zip(made, sure, strict=True)
            counted = [item for item, one in pairs if not one or not item.key % SAMPLE]
        talks = [item.messages for item in counted]
        lengths = count_tokens(self._tokenizer, self._mixture.template, talks)
        for item, counts in zip(counted, lengths, strict=True):
            item.tokens, item.supervised = counts
        result = []
        for item, limit in zip(made, limits, strict=True):
            if item.tokens is not None and item.tokens > limit:
                self._reject(item, "too long")
            else:
                result.append(item)
        return result

    def _frame(self, messages: Sequence[Message]) -> int:
        """Returns the most tokens that the template adds to so many messages."""
        if (size := len(messages)) not in self._frames:  # an odd one begins with a system text
            talk = [message | {"content": "."} for message in messages]
            [(tokens, _)] = count_tokens(self._tokenizer, self._mixture.template, [talk])
            self._frames[size] = tokens + SEAM
        return self._frames[size]

    def _clean(self, made: Sequence[Instruction]) -> list[Instruction]:
        """Returns the conversations that share nothing with a test."""
        found = iter(self._tests.find([m["content"] for item in made for m in item.messages]))
        result = []
        for item in made:
            reasons = [next(found) for _ in item.messages]
            first = next(filter(None, reasons), None)
            if first is None:
                result.append(item)
            else:
                self.removed[first.suite] += 1
                self._reject(item, first.reason)
        return result

    def _reject(self, item: Instruction, reason: str) -> None:
        self.rejections.add(f"{item.recipe}: {reason}", _text(item)[:SHOWN])


def _text(item: Instruction) -> str:
    return "\n".join(message["content"] for message in item.messages)
