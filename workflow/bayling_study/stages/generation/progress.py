"""How fast generation runs: a meter for the record, messages for the reader."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

log = logging.getLogger(__name__)

MESSAGE_SECONDS = 10.0


@dataclass
class Meter:
    """What this process generated; answers reused from a journal do not count.

    Attributes:
        answers: number of answers (turns).
        tokens: tokens generated.
        seconds: time spent decoding, without loading and tokenising.
    """

    answers: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def add(self, answers: int, tokens: int, seconds: float) -> None:
        """Counts a batch."""
        self.answers += answers
        self.tokens += tokens
        self.seconds += seconds

    def rates(self) -> dict[str, float]:
        """Returns answers and tokens per second with their base; empty if nothing was generated."""
        if not self.seconds:
            return {}
        return {
            "answers": self.answers,
            "answers_per_second": round(self.answers / self.seconds, 3),
            "tokens_per_second": round(self.tokens / self.seconds, 1),
            "decoding_seconds": round(self.seconds, 1),
        }


class Progress:
    """Says now and then how far a turn of a suite is.

    The time left is reckoned by answers. Long prompts come first, so it tends
    to be too high.
    """

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self.tokens = 0
        self.started = self.told = time.monotonic()

    def add(self, answers: int, tokens: int) -> None:
        """Counts a batch and tells if the last message is a while ago or all is done."""
        self.done += answers
        self.tokens += tokens
        now = time.monotonic()
        if now - self.told < MESSAGE_SECONDS and self.done < self.total:
            return
        self.told = now
        elapsed = max(now - self.started, 1e-9)
        left = (self.total - self.done) * elapsed / self.done
        log.info(
            "%s: %d of %d answers, %.2f/s, %.0f tokens/s, %d:%02d left",
            self.name,
            self.done,
            self.total,
            self.done / elapsed,
            self.tokens / elapsed,
            *divmod(round(left), 60),
        )
