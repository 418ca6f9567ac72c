"""Pivot-language answers: a draft in the pivot, then the answer in the target language.

PLUG (pivot language guided generation) lets a model first answer in the
language it knows best. Here the pivot text is the human one by which two other
languages are aligned, so both parts of the answer are true translations.
"""

from random import Random

from bayling_study.core import languages
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.types import Step
from bayling_study.stages.synthesis.parts import draw, wordings_beside, written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

PIVOT = "en"
WORDINGS = wordings_beside(__file__)
LABELS = {"en": "{language}: {text}", "zh": "{language}：{text}"}


def over_the_pivot(direction: str) -> bool:
    """Fits directions between two languages other than the pivot."""
    return PIVOT not in direction.split("-")


@recipe("pivot", fits=over_the_pivot)
def pivot(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence; the answer has its pivot draft and its translation, each with a label."""
    segment = draw(workshop, direction, "pivot", Library.pivot_text)
    if segment is None:
        return None
    chosen, user = written(
        WORDINGS, workshop, rng, segment.target, source=segment.source_text, pivot=PIVOT
    )
    parts = ((PIVOT, workshop.library.pivot_text(segment)), (segment.target, segment.target_text))
    answer = "\n".join(
        LABELS[chosen].format(language=languages.name(code, chosen), text=text)
        for code, text in parts
    )
    step = Step("pivot", user, answer, [], segment)
    return instruction_of("pivot", direction, chosen, [step], languages=[PIVOT])
