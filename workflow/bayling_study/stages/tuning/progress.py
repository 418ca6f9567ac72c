"""Numbers while training runs: what a step did and how fast."""

import time
from dataclasses import dataclass

import torch

from bayling_study.config.tuning import Adapter
from bayling_study.core.progress import Progress
from bayling_study.shared.sizing.memory import adapter_parameters
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sizing.speed import model_flops, peak_teraflops
from bayling_study.stages.tuning.memory import peak_gib

SMOOTHING = 0.9  # of the time a step takes, for the remaining time


@dataclass(frozen=True)
class StepNumbers:
    """What happened in a step over all processes; the loss is in nats a supervised token.
    ``padded`` tokens were computed, ``real`` ones are of conversations; ``pairs`` is the sum of the
    squares of the conversations' lengths, for attention's operations; ``alignment_loss`` is in nats
    an anchor, without its weight."""

    step: int
    loss: float
    grad_norm: float
    learning_rate: float
    padded: int
    real: int
    supervised: int
    pairs: int
    alignment_loss: float | None = None


@dataclass(frozen=True)
class Utilisation:
    """Model FLOPs utilisation, where the peak of the devices is known. ``teraflops`` is the dense
    bf16 peak of all devices together, ``adapters`` the parameters of the adapters, where only those
    are trained."""

    shape: Shape
    teraflops: float
    adapters: int | None = None

    @staticmethod
    def of(
        shape: Shape | None, precision: str, processes: int, adapter: Adapter | None = None
    ) -> "Utilisation | None":
        """Returns it for this machine's GPU, or none: no number is better than a guessed one. Peaks
        are those of bf16; ``processes`` have a GPU each; frozen weights beside an adapter take
        fewer operations."""
        if shape is None or precision != "bf16" or not torch.cuda.is_available():
            return None
        peak = peak_teraflops(torch.cuda.get_device_name())
        if peak is None:
            return None
        adapters = None if adapter is None else adapter_parameters(shape, adapter)
        return Utilisation(shape, peak * processes, adapters)

    def share(self, numbers: StepNumbers, seconds: float) -> float:
        """Returns the share of the peak that a step reached (formula in ``sizing.speed``)."""
        tokens = numbers.real, numbers.supervised, numbers.pairs
        flops = model_flops(self.shape, *tokens, self.adapters)
        return flops / seconds / (self.teraflops * 1e12)


class TrainingMeter:
    """Turns steps into metrics and shows them with the progress; earlier attempts ``done`` some."""

    def __init__(self, steps: int, done: int, utilisation: Utilisation | None = None) -> None:
        self.utilisation = utilisation
        self._shown = Progress("training", steps, "steps", done=done)
        self._left = steps - done
        self._last = time.monotonic()
        self._seconds = 0.0
        self._seen = 0

    def metrics(self, numbers: StepNumbers) -> dict[str, float]:
        """Returns a step's metrics; call it once a step, when the step is over."""
        now = time.monotonic()
        seconds = max(now - self._last, 1e-9)
        self._last = now
        # the first step also warms up (allocates, compiles), so the second one replaces it
        old = self._seconds if self._seen > 1 else seconds
        self._seconds = SMOOTHING * old + (1 - SMOOTHING) * seconds
        self._seen += 1
        self._left -= 1
        metrics = {
            "loss": numbers.loss,
            "grad_norm": numbers.grad_norm,
            "learning_rate": numbers.learning_rate,
            "padded_tokens_per_second": numbers.padded / seconds,
            "real_tokens_per_second": numbers.real / seconds,
            "supervised_tokens_per_second": numbers.supervised / seconds,
            "seconds_per_step": seconds,
            "seconds_left": self._seconds * self._left,
            "memory_gib": peak_gib(),
        }
        if numbers.alignment_loss is not None:
            metrics["alignment_loss"] = numbers.alignment_loss
        if self.utilisation is not None:
            metrics["model_flops_utilisation"] = self.utilisation.share(numbers, seconds)
        return metrics

    def show(self, metrics: dict[str, float]) -> None:
        """Counts a step and shows what it did."""
        aligned = metrics.get("alignment_loss")
        used = metrics.get("model_flops_utilisation")
        facts = [
            f"loss {metrics['loss']:.4f}, grad {metrics['grad_norm']:.2f}",
            *([] if aligned is None else [f"alignment loss {aligned:.4f}"]),
            f"lr {metrics['learning_rate']:.2e}",
            f"{metrics['real_tokens_per_second']:.0f} tokens/s",
            f"{metrics['supervised_tokens_per_second']:.0f} of them supervised",
            *([] if used is None else [f"MFU {used:.1%}"]),
            f"memory {metrics['memory_gib']:.1f} GiB",
        ]
        self._shown.set_postfix_str(", ".join(facts), refresh=False)
        self._shown.update()
