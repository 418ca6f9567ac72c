"""Code-switching restoration: a sentence with some words in another language is restored.

The auxiliary task of code-switching restore for machine translation (CSR4mBART): words of a
sentence are switched by a bilingual lexicon, here learnt from the aligned text itself
(``interactive.lexicon``) and from term lists where the config names some
(``interactive.listed``). A switched word is always one that the sentence's own translation has.
CSCL goes on with whole sentences of a text (``code_switch.unit``).
"""

from random import Random

from bayling_study.config.synthesis import CodeSwitch
from bayling_study.core.tables import beside
from bayling_study.core.text.words import words
from bayling_study.shared.interactive.lexicon import MOST_LETTERS, exchangeable, exchanged
from bayling_study.shared.interactive.library import Library, aligned_sentences
from bayling_study.shared.interactive.types import DirectedPair, Step
from bayling_study.stages.synthesis.parts import draw, written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

WORDINGS = beside(__file__)


@recipe("code-switch")
def code_switch(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A sentence with words of the other language, and the sentence restored."""
    options = workshop.mixture.code_switch

    def switchable(library: Library, segment: DirectedPair) -> bool:
        sides = [_mixed(library, segment, options, side) for side in _sides(options)]
        return not options.rate or all(mixed != text for text, mixed, _ in sides)

    if (segment := draw(workshop, direction, "code-switch", switchable)) is None:
        return None
    side = rng.choice(sides) if len(sides := _sides(options)) > 1 else sides[0]
    text, mixed, switched = _mixed(workshop.library, segment, options, side)
    counts = {"sentences": 1, "words": len(words(text)), "words exchanged": switched}
    workshop.counted.update(counts | {"sentences left as they were": mixed == text})
    language, user = written(WORDINGS, workshop, rng, getattr(segment, side), source=mixed)
    step = Step("code-switch", user, text, [], segment)
    return instruction_of("code-switch", direction, language, [step])


def _sides(options: CodeSwitch) -> list[str]:
    return ["source", "target"] if options.side == "both" else [options.side]


def _mixed(
    library: Library, segment: DirectedPair, options: CodeSwitch, side: str
) -> tuple[str, str, int]:
    """Returns a side of a segment, it with as much exchanged as may be, and how many words."""
    if options.unit == "sentence":
        pairs = aligned_sentences(segment)[1::2]  # every second one: never all of them
    else:
        pairs = exchangeable(library.terms(segment))
    text = segment.source_text if side == "source" else segment.target_text
    ordered = pairs if side == "source" else [(two, one) for one, two in pairs]
    most = 1.0 if options.unit == "sentence" else MOST_LETTERS
    return text, *exchanged(text, ordered, options.rate, most)
