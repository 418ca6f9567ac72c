"""The gate: what enters the training set, and counts of what does not."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from bayling_study.config.synthesis import Mixture
from bayling_study.shared.interactive.dialogue import Rejections
from bayling_study.shared.templates.counting import count_tokens, exceeds
from bayling_study.stages.synthesis.decontamination import Contamination
from bayling_study.stages.synthesis.hashing import Hashes
from bayling_study.stages.synthesis.types import Instruction

MEASURED_ALL = 200_000  # conversations up to which each one's tokens are counted
SAMPLE = 16
"""In larger mixtures one in so many is counted, drawn by its key, and of each that could be too
long as much as tells."""
MESSAGE_BYTES, FRAME_BYTES = 64, 512
"""What a template adds to a message and to a conversation at most, in bytes. No token stands for
less than a byte, in byte-level vocabularies and in those that fall back to bytes."""
SHOWN = 200  # characters of a rejected conversation that the audit shows


@dataclass
class Accepted:
    """An accepted conversation. ``key`` is the hash of its text and the mixture's seed: it gives
    the final order, in which the same text twice stands side by side. ``tokens`` are those in the
    mixture's template and ``supervised`` those that the loss counts, ends of turns included, if
    they were counted."""

    instruction: Instruction
    key: int
    tokens: int | None
    supervised: int | None


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
        self._known = np.empty(0, np.uint64) if keys is None else keys
        self.rejections = Rejections()
        self.removed: Counter[str] = Counter()  # by suite

    def admit(self, made: Sequence[Instruction]) -> list[Accepted]:
        """Returns those that pass, measured, in their order; counts the others by reason."""
        fresh = []
        texts = [_text(item).encode("utf-8", "replace") for item in made]
        keys = [self._key(text) for text in texts]
        found = np.array(keys, np.uint64)
        known = self._known.searchsorted(found) < self._known.searchsorted(found, "right")
        for item, key, text, repeated in zip(made, keys, texts, known, strict=True):
            if repeated or key in self._seen:
                self._reject(item, "duplicate")
            else:
                self._seen.add(key)
                fresh.append((item, key, len(text)))
        return self._clean(self._measure(fresh))

    def _key(self, text: bytes) -> int:
        digest = blake2b(text, digest_size=8, salt=self._salt)
        return int.from_bytes(digest.digest(), "big")

    def _measure(self, made: Sequence[tuple[Instruction, int, int]]) -> list[Accepted]:
        """Returns the conversations that are short enough, of such with key and size in bytes."""
        most, each = self._mixture.max_tokens, self._mixture.recipe_max_tokens
        limits = [min(most, each.get(item.recipe, most)) for item, *_ in made]
        how = self._tokenizer, self._mixture.template
        sampled = [n for n, (_, key, _) in enumerate(made) if self._all or not key % SAMPLE]
        found = count_tokens(*how, [made[n][0].messages for n in sampled])
        counts = dict(zip(sampled, found, strict=True))
        result = []
        for number, ((item, key, size), limit) in enumerate(zip(made, limits, strict=True)):
            tokens, supervised = counts.get(number, (None, None))
            bound = size + MESSAGE_BYTES * len(item.messages) + FRAME_BYTES
            long = tokens > limit if tokens is not None else bound > limit
            if long and (tokens or exceeds(*how, item.messages, limit)):
                self._reject(item, "too long")
            else:
                result.append(Accepted(item, key, tokens, supervised))
        return result

    def _clean(self, made: Sequence[Accepted]) -> list[Accepted]:
        """Returns the conversations that share nothing with a test."""
        texts = [m["content"] for row in made for m in row.instruction.messages]
        found = iter(self._tests.find(texts))
        result = []
        for row in made:
            reasons = [next(found) for _ in row.instruction.messages]
            first = next(filter(None, reasons), None)
            if first is None:
                result.append(row)
            else:
                self.removed[first.suite] += 1
                self._reject(row.instruction, first.reason)
        return result

    def _reject(self, item: Instruction, reason: str) -> None:
        self.rejections.add(f"{item.recipe}: {reason}", _text(item)[:SHOWN])


def _text(item: Instruction) -> str:
    return "\n".join(message["content"] for message in item.messages)
