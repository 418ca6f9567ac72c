"""The row of a training set and its Parquet schema."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

from bayling_study.shared.corpus_tables import CONVERSATION_SCHEMA
from bayling_study.shared.interactive.types import Step

SCHEMA = CONVERSATION_SCHEMA.insert(3, pa.field("direction", pa.string()))

Message = dict[str, str]


@dataclass
class Instruction:
    """One training conversation; its ``id`` is given when it is accepted. ``source`` has the ids of
    the upstream sources, joined by ``+``; ``direction`` is empty for general instructions,
    ``languages`` are sorted codes. ``messages`` are ``{"role", "content"}`` in turn, user first
    unless a system turn leads; ``demands`` the kinds of an interactive one in order;
    ``instruction`` is the language of the user's wording, where a recipe chose it. The gate sets
    ``key``, the hash of its text and the mixture's seed, which gives the final order: the same text
    twice stands side by side there. ``tokens`` are those in the mixture's template, ``supervised``
    those of them that the loss counts, ends of turns included, if they were counted."""

    recipe: str
    source: str
    direction: str
    languages: list[str]
    messages: list[Message]
    demands: list[str] = field(default_factory=list)
    instruction: str = ""
    id: str = ""
    key: int = 0
    tokens: int | None = None
    supervised: int | None = None


def instruction_of(
    recipe: str,
    direction: str,
    instruction: str,
    steps: Iterable[Step],
    demands: Iterable[str] = (),
    languages: Iterable[str] = (),
) -> Instruction:
    """Returns the conversation that consists of steps. ``demands`` are the kinds of demand to
    count, ``languages`` the codes of languages in it besides those of its steps and of the user's
    wording (``instruction``)."""
    turns = list(steps)
    found = {instruction, *direction.split("-"), *languages}
    return Instruction(
        recipe=recipe,
        source="+".join(sorted({step.segment.corpus for step in turns})),
        direction=direction,
        languages=sorted(found | {step.segment.target for step in turns}),
        messages=[
            {"role": role, "content": text}
            for step in turns
            for role, text in (("user", step.user), ("assistant", step.answer))
        ],
        demands=list(demands),
        instruction=instruction,
    )
