"""Names of places in another language, after EntityCS in a form for a causal model. EntityCS trains
an encoder on English sentences whose entities are switched. Here a model restores such a sentence
(``entity-restore``), or learns the same answer to an English instruction with switched names
(``entity-switch``). All names of one text are in one language."""

from collections.abc import Mapping
from random import Random
from typing import Any

from bayling_study.shared import entities
from bayling_study.shared.entities import ENGLISH
from bayling_study.shared.interactive.types import Step
from bayling_study.stages.synthesis.parts import draw, written
from bayling_study.stages.synthesis.recipes.code_switch import WORDINGS
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

MOST_LANGUAGES = 5
"""Languages in which one instruction is put at most (EntityCS samples five a sentence)."""


@recipe("entity-restore", fits=lambda direction: ENGLISH in direction.split("-"))
def entity_restore(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """An English sentence with its names in the direction's other language, and the sentence."""
    sides = direction.split("-")
    own, other = sides.index(ENGLISH), sides[1 - sides.index(ENGLISH)]
    fits = lambda _, segment: entities.fitting([segment[-2:][own]], [other])  # noqa: E731
    if (segment := draw(workshop, direction, "entity-restore", fits)) is None:
        return None
    english = segment[-2:][own]
    mixed = _switched(workshop, english, other)
    language, user = written(WORDINGS, workshop, rng, ENGLISH, source=mixed)
    step = Step("entity-restore", user, english, [], segment)
    return instruction_of("entity-restore", direction, language, [step])


@recipe("entity-switch", directed=False)
def entity_switch(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """An upstream conversation whose user names places, in each language that has them all; nothing
    when all conversations are taken. Those without such names are counted."""
    while not workshop.pending:
        if (row := next(workshop.general, None)) is None:
            return None
        workshop.pending += _versions(workshop, row, rng)
        if not workshop.pending:
            workshop.rejections.add("entity-switch: not English, or no name to switch")
    return workshop.pending.pop(0)


def _versions(workshop: Workshop, row: Mapping[str, Any], rng: Random) -> list[Instruction]:
    """Returns a conversation once in each language, the answers as they were."""
    is_english = row["languages"][:1] == [ENGLISH]
    asked = [m["content"] for m in row["messages"] if m["role"] == "user"]
    chosen = entities.fitting(asked, workshop.mixture.from_english if is_english else ())
    result = []
    for code in rng.sample(chosen, min(MOST_LANGUAGES, len(chosen))):
        mixed = iter([_switched(workshop, text, code) for text in asked])
        messages = [
            m | {"content": next(mixed)} if m["role"] == "user" else m for m in row["messages"]
        ]
        found = sorted({*row["languages"], code})
        result.append(Instruction("entity-switch", row["source"], "", found, messages))
    return result


def _switched(workshop: Workshop, text: str, language: str) -> str:
    """Returns a text with its names in a language, and counts them."""
    mixed, found, new = entities.switched(text, language, workshop.mixture.entity_tags)
    workshop.counted.update({"names": found, "names exchanged": new})
    return mixed
