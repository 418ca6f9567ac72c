"""How fast generation runs, for the run record and for the progress meter."""

from dataclasses import dataclass


@dataclass
class Meter:
    """What this process generated; answers reused from a journal do not count. ``answers`` are
    turns; ``seconds`` those of decoding, without loading and tokenising."""

    answers: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def add(self, answers: int, tokens: int, seconds: float) -> None:
        """Counts a batch."""
        self.answers += answers
        self.tokens += tokens
        self.seconds += seconds

    @property
    def speed(self) -> str:
        """Tokens per second so far, in words."""
        return f"{self.tokens / max(self.seconds, 1e-9):.0f} tokens/s"

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
