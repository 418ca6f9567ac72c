"""Training on more tokens, and of a wider model: random weights in the shapes of SmolLM2."""

from __future__ import annotations

import json

from growth_parts.place import CORES, Place
from growth_parts.points import Cost

from bayling_study.shared.sizing.shape import Shape

SHAPES = {
    135: Shape(576, 30, 9, 3, 64, 1536, 49152, tied=True),
    360: Shape(960, 32, 15, 5, 64, 2560, 49152, tied=True),
}
"""By millions of parameters."""
BATCH = 16
STEPS = 2
"""Of the smallest training; with conversations of 120 tokens on average it has 4,000."""
LENGTH = 256
TUNING = {
    **{"batch": BATCH, "max_length": LENGTH, "micro_batch_tokens": 2 * LENGTH, "epochs": 1},
    **{"gradient_checkpointing": False, "zero_stage": 2, "checkpoint_minutes": 4},
    **{"keep_checkpoints": 1, "precision": "bf16"},
}
"""The embedded study's, as far as it decides time and memory."""


def tokens(place: Place, size: float) -> tuple[float, dict[str, Cost]]:
    """Training of the smaller shape on so many times the tokens of the smallest training."""
    return _train(place, SHAPES[135], size)


def parameters(place: Place, size: float) -> tuple[float, dict[str, Cost]]:
    """Training of a shape, given by its millions of parameters, on as many tokens each."""
    shape = _scaled(place, SHAPES[int(size)])
    return shape.parameters(), _train(place, SHAPES[int(size)], 1)[1]


def _scaled(place: Place, shape: Shape) -> Shape:
    return shape._replace(layers=place.scaled(shape.layers, 2))


def _train(place: Place, shape: Shape, size: float) -> tuple[float, dict[str, Cost]]:
    """Returns the tokens of a training and its cost."""
    from gpu_tuning import write_conversations, write_model  # loads torch, which takes its time
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = place.folder
    write_model(folder / "foundation", _scaled(place, shape), LENGTH, "cpu")
    write_conversations(folder / "synthesis", LENGTH, place.scaled(BATCH * STEPS * size, int(size)))
    template = {"template": "foundation"}
    foundation = {"kind": "foundation", "source": "made", **template}
    tuned = {"kind": "tuned", "base": "foundation", "mixture": "made", **template}
    place.settings(tuning=TUNING, systems={"foundation": foundation, "tuned": tuned})
    made: tuple[object, ...] = ("--system", "tuned", "--foundation", folder / "foundation")
    made += ("--synthesis", folder / "synthesis")
    place.run(place.stage("masks", *made, "--out", folder / "masks"))
    work = ("--masks", folder / "masks", "--checkpoints", folder / "work", "--threads", CORES)
    cost = place.run(place.stage("tuning", *made, *work, "--out", folder / "tuned"))
    audit = json.loads((folder / "masks" / "mask_audit.json").read_text(encoding="utf-8"))
    return audit["tokens"], {"tuning": cost}
