"""Code-switching restoration: a sentence with some words in another language is restored.

The auxiliary task of code-switching restore for machine translation (CSR4mBART): words of a
sentence are switched by a bilingual lexicon, here learnt from the aligned text itself
(``interactive.lexicon``) and from term lists where the config names some
(``interactive.listed``). A switched word is always one that the sentence's own translation has.
"""

from random import Random

from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.words import is_quotable
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.types import DirectedPair, Step
from bayling_study.stages.synthesis.parts import draw, wordings_beside, written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

MAX_SHARE = 0.5
"""Largest share of a sentence's letters that is switched; the rest must show what it says."""

WORDINGS = wordings_beside(__file__)


@recipe("code-switch")
def code_switch(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A source sentence with words of the target language, and the sentence restored."""
    segment = draw(workshop, direction, "code-switch", _switched)
    if segment is None:
        return None
    mixed = _switched(workshop.library, segment)
    language, user = written(WORDINGS, workshop, rng, segment.source, source=mixed)
    step = Step("code-switch", user, segment.source_text, [], segment)
    return instruction_of("code-switch", direction, language, [step])


def _switched(library: Library, segment: DirectedPair) -> str:
    """Returns the source with its terms in the target language, as many as may be; else nothing."""
    mixed = segment.source_text
    room = MAX_SHARE * len(mixed)
    for term in library.terms(segment):
        plain = is_quotable(term.source) and is_quotable(term.target)
        fits = len(term.source) <= room and occurrences(mixed, term.source) == 1
        if plain and fits and term.source in mixed and term.source != term.target:
            mixed = mixed.replace(term.source, term.target)
            room -= len(term.source)
    return mixed if mixed != segment.source_text else ""
