"""Trainings that ended without having learnt: told by the loss curves of the run records."""

from collections.abc import Iterator
from statistics import fmean

from bayling_study.stages.report.collect import Study

SHARE = 10
"""A curve's ends are its first and last tenth, so that one odd step decides nothing."""
UNIFORM = 0.99
"""Share of a uniform guess's loss from which a training has learnt next to nothing."""


def diverged(study: Study) -> Iterator[tuple[str, str]]:
    """Warns of losses that did not fall, or that a uniform guess over the vocabulary reaches."""
    for system, record in study.trainings.items():
        points = [point["values"] for point in record.get("history", [])]
        losses = [values["loss"] for values in points if "loss" in values]
        if not losses:
            continue
        width = max(1, len(losses) // SHARE)
        first, last = fmean(losses[:width]), fmean(losses[-width:])
        name = f"{system}: training ended at a loss of {last:.3f}"
        why = "it has probably diverged; lower tuning.learning_rate"
        if len(losses) > 1 and last >= first:
            yield f"{name}, not below the {first:.3f} of its start", why
        uniform = record["metrics"].get("uniform_loss")
        if uniform is not None and last >= UNIFORM * uniform:
            yield f"{name}; a uniform guess has {uniform:.3f}", why
