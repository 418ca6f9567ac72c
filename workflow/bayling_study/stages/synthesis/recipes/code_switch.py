"""Code-switching restoration: a sentence with some words in another language is restored.

The auxiliary task of code-switching restore for machine translation (CSR4mBART): words of a
sentence are switched by a bilingual lexicon, here learnt from the aligned text itself
(``interactive.lexicon``) and from term lists where the config names some
(``interactive.listed``). A switched word is always one that the sentence's own translation has.
CSCL goes on with whole sentences of a text (``code_switch.unit``).
"""

from random import Random
from typing import NamedTuple

from bayling_study.config.synthesis import CodeSwitch
from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.words import is_quotable, words
from bayling_study.shared.interactive.library import Library, aligned_sentences
from bayling_study.shared.interactive.types import DirectedPair, Step
from bayling_study.stages.synthesis.parts import draw, wordings_beside, written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

MAX_SHARE = 0.5
"""Largest share of a sentence's letters that is switched; the rest must show what it says."""

WORDINGS = wordings_beside(__file__)


class Sentence(NamedTuple):
    """A text to be mixed, its language, and what may be exchanged in it for what."""

    text: str
    language: str
    exchanges: list[tuple[str, str]]


@recipe("code-switch")
def code_switch(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A sentence with words of the other language, and the sentence restored."""
    options = workshop.mixture.code_switch

    def switchable(library: Library, segment: DirectedPair) -> bool:
        sides = [_sentence(library, segment, options, side) for side in _sides(options)]
        return not options.rate or all(_mixed(one, options)[0] != one.text for one in sides)

    segment = draw(workshop, direction, "code-switch", switchable)
    if segment is None:
        return None
    side = rng.choice(sides) if len(sides := _sides(options)) > 1 else sides[0]
    sentence = _sentence(workshop.library, segment, options, side)
    mixed, switched = _mixed(sentence, options)
    counts = {"sentences": 1, "words": len(words(sentence.text)), "words exchanged": switched}
    workshop.counted.update(counts | {"sentences left as they were": mixed == sentence.text})
    language, user = written(WORDINGS, workshop, rng, sentence.language, source=mixed)
    step = Step("code-switch", user, sentence.text, [], segment)
    return instruction_of("code-switch", direction, language, [step])


def _sides(options: CodeSwitch) -> list[str]:
    return ["source", "target"] if options.side == "both" else [options.side]


def _sentence(library: Library, segment: DirectedPair, options: CodeSwitch, side: str) -> Sentence:
    """Returns one side of a segment with what can be exchanged in it, as often as it occurs."""
    if options.unit == "sentence":
        pairs = aligned_sentences(segment)[1::2]  # every second one: never all of them
    else:
        terms = ((term.source, term.target) for term in library.terms(segment))
        pairs = [pair for pair in terms if all(map(is_quotable, pair))]
    if side == "source":
        return Sentence(segment.source_text, segment.source, pairs)
    return Sentence(segment.target_text, segment.target, [(two, one) for one, two in pairs])


def _mixed(sentence: Sentence, options: CodeSwitch) -> tuple[str, int]:
    """Returns the sentence with as much exchanged as may be, and how many of its words."""
    mixed, switched = sentence.text, 0
    whole = options.unit == "sentence"
    letters = len(mixed) if whole else MAX_SHARE * len(mixed)
    room = options.rate * len(words(mixed))
    for old, new in sentence.exchanges:
        size = len(words(old))
        fits = len(old) <= letters and size <= room and occurrences(mixed, old) == 1
        if fits and old in mixed and old != new:
            mixed = mixed.replace(old, new)
            letters, room, switched = letters - len(old), room - size, switched + size
    return mixed, switched
