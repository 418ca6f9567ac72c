"""Upstream instructions and dialogues as they are."""

from random import Random

from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction


@recipe("general", directed=False)
def general(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """The next upstream conversation, cut to ``max_turns``; nothing when all are taken."""
    if (row := next(workshop.general, None)) is None:
        return None
    messages = row["messages"]
    if limit := workshop.mixture.max_turns:
        lead = messages[0]["role"] == "system"
        messages = messages[: 2 * limit + lead]
    return Instruction("general", row["source"], "", row["languages"], messages)
