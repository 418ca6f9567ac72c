"""A pivot draft for translation: the sentence in the pivot, then in the target language. The pivot
text is the human one by which two other languages are aligned, so both parts of the answer are true
translations. No instruction is interpreted here: that is the recipe ``plug``."""

from random import Random

from bayling_study.config.answering import PIVOT
from bayling_study.core import languages
from bayling_study.core.tables import beside
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.types import Step
from bayling_study.stages.synthesis.parts import draw, written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

WORDINGS = beside(__file__)
LABELS = {"en": "{language}: {text}", "zh": "{language}：{text}"}


@recipe("pivot-draft", fits=lambda direction: PIVOT not in direction.split("-"))
def pivot_draft(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """One sentence; the answer has its pivot draft and its translation, each with a label."""
    if (segment := draw(workshop, direction, "pivot-draft", Library.pivot_text)) is None:
        return None
    names = {"source": segment.source_text, "pivot": PIVOT}
    chosen, user = written(WORDINGS, workshop, rng, segment.target, **names)
    parts = ((PIVOT, workshop.library.pivot_text(segment)), (segment.target, segment.target_text))
    named = ((languages.name(code, chosen), text) for code, text in parts)
    answer = "\n".join(LABELS[chosen].format(language=name, text=text) for name, text in named)
    step = Step("pivot-draft", user, answer, [], segment)
    return instruction_of("pivot-draft", direction, chosen, [step], languages=[PIVOT])
