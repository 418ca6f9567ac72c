"""Cross-lingual transfer: a task on a text in one language, answered in another. A general
instruction (continue, pick a sentence, fill a gap) is worded in English or Chinese, its text is in
the source language, and the answer, which aligned text gives, in the target language."""

from random import Random

from bayling_study.core.tables import beside
from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.words import is_quotable
from bayling_study.shared.interactive.library import Library, aligned_sentences
from bayling_study.shared.interactive.types import DirectedPair, Step
from bayling_study.stages.synthesis.parts import draw, written
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

GAP = "____"
MAX_SENTENCES = 2  # a text to continue has two sentences: what follows the first is then one answer

WORDINGS = beside(__file__)


@recipe("cross-lingual")
def cross_lingual(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A task on the source text, answered in the target language."""
    if (segment := draw(workshop, direction, "cross-lingual", _tasks)) is None:
        return None
    task, source, answer, word = rng.choice(_tasks(workshop.library, segment))
    texts = {"source": source, "word": word}
    language, user = written(WORDINGS[task], workshop, rng, segment.target, **texts)
    step = Step("cross-lingual", user, answer, [], segment)
    return instruction_of("cross-lingual", direction, language, [step])


def _tasks(library: Library, segment: DirectedPair) -> list[tuple[str, str, str, str]]:
    """Returns the tasks of a segment: name, text, answer and the word that fills a gap."""
    pairs = aligned_sentences(segment)
    tasks = [
        ("gap", segment.source_text.replace(word, GAP), segment.target_text, word)
        for word in _gaps(library, segment)
    ]
    if len(pairs) > 1:
        tasks.append(("first", segment.source_text, pairs[0][1], ""))
        tasks.append(("last", segment.source_text, pairs[-1][1], ""))
    if len(pairs) == MAX_SENTENCES:
        tasks.append(("continue", pairs[0][0], pairs[1][1], ""))
    return tasks


def _gaps(library: Library, segment: DirectedPair) -> list[str]:
    """Returns the terms of the source that stand in it once, as written."""
    text = segment.source_text
    words = [term.source for term in library.terms(segment)]
    return [w for w in words if is_quotable(w) and w in text and occurrences(text, w) == 1]
