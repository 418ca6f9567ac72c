"""Numbers while training runs: what a step did and how fast."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from bayling_study.tracking.record import peak_memory_bytes

SMOOTHING = 0.9  # of the time a step takes, for the remaining time


@dataclass(frozen=True)
class StepNumbers:
    """What happened in a step over all processes.

    Attributes:
        loss: mean cross-entropy of the learnt tokens, in nats.
        padded, real, trained: tokens computed, of conversations, learnt.
    """

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    padded: int
    real: int
    trained: int


class Progress:
    """Turns steps into metrics and a terminal line.

    Args:
        steps: number of steps of the whole run.
        done: steps that earlier attempts did.
    """

    def __init__(self, steps: int, done: int) -> None:
        self.steps = steps
        self._left = steps - done
        self._last = time.monotonic()
        self._seconds: float | None = None

    def metrics(self, numbers: StepNumbers) -> dict[str, float]:
        """Returns a step's metrics; call it once a step, when the step is over."""
        now = time.monotonic()
        seconds = max(now - self._last, 1e-9)
        self._last = now
        old = seconds if self._seconds is None else self._seconds
        self._seconds = SMOOTHING * old + (1 - SMOOTHING) * seconds
        self._left -= 1
        return {
            "loss": numbers.loss,
            "grad_norm": numbers.grad_norm,
            "learning_rate": numbers.learning_rate,
            "padded_tokens_per_second": numbers.padded / seconds,
            "real_tokens_per_second": numbers.real / seconds,
            "trained_tokens_per_second": numbers.trained / seconds,
            "seconds_per_step": seconds,
            "seconds_left": self._seconds * self._left,
            "memory_gib": memory_gib(),
        }

    def show(self, step: int, metrics: dict[str, float]) -> None:
        """Writes a step's line to the terminal."""
        left = int(metrics["seconds_left"])
        print(
            f"step {step}/{self.steps}  loss {metrics['loss']:.4f}"
            f"  grad {metrics['grad_norm']:.2f}  lr {metrics['learning_rate']:.2e}"
            f"  tokens/s {metrics['real_tokens_per_second']:.0f}"
            f" (trained {metrics['trained_tokens_per_second']:.0f})"
            f"  memory {metrics['memory_gib']:.1f} GiB  left {left // 60}:{left % 60:02d}",
            file=sys.stderr,
            flush=True,
        )


def memory_gib() -> float:
    """Returns this process's peak memory: of the GPU where there is one, else resident."""
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated() / 2**30)
    return peak_memory_bytes() / 2**30
