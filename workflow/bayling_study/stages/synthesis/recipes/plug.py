"""PLUG: an instruction is interpreted in the pivot, answered there, then in the target language.

After Zhang et al. 2024, who have a translator write the triples. Here they are human text: tasks
on aligned text, of which the pivot's side is known, as their own source or as the text over which
two other languages were joined. The system line that PLUG puts before each conversation is left
to ``answering.system``.
"""

from random import Random

from bayling_study.config.answering import PIVOT
from bayling_study.core import languages
from bayling_study.core.tables import beside
from bayling_study.core.text.words import sentences
from bayling_study.shared.answer_labels import INSTRUCTION_LABEL, label
from bayling_study.shared.interactive.dialogue import choose
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.types import DirectedPair, Step
from bayling_study.stages.synthesis.parts import draw
from bayling_study.stages.synthesis.recipes.cross_lingual import MAX_SENTENCES, WORDINGS
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.types import Instruction, instruction_of

TRANSLATE = beside(__file__)
Texts = tuple[str, str, str]
"""Of a task: its text in the source language and in the pivot, and the answer in the pivot."""


@recipe("plug", fits=lambda direction: not direction.endswith(f"-{PIVOT}"))
def plug(workshop: Workshop, direction: str, rng: Random) -> Instruction | None:
    """A task on a text; the answer holds the instruction and two answers, each with its label."""
    if (segment := draw(workshop, direction, "plug", _tasks)) is None:
        return None
    task, (source, pivot, draft), answer = rng.choice(_tasks(workshop.library, segment))
    wordings = TRANSLATE if task == "translate" else WORDINGS[task]
    chosen = choose(workshop.mixture.instruction_languages, rng)
    number = rng.randrange(len(wordings[chosen]))
    user, understood = (
        wordings[code][number].format(source=text, language=languages.name(segment.target, code))
        for code, text in ((chosen, source), (PIVOT, pivot))
    )
    labels = INSTRUCTION_LABEL, label(PIVOT), label(segment.target)
    parts = zip(labels, (understood, draft, answer), strict=True)
    step = Step("plug", user, "\n".join(f"{name} {text}" for name, text in parts), [], segment)
    return instruction_of("plug", direction, chosen, [step], languages=[PIVOT])


def _tasks(library: Library, segment: DirectedPair) -> list[tuple[str, Texts, str]]:
    """Returns the tasks of a segment whose pivot text is known: name, texts and answer."""
    source, target = segment.source_text, segment.target_text
    from_pivot = segment.direction.startswith(f"{PIVOT}-")
    pivot = source if from_pivot else library.pivot_text(segment)
    if not pivot:
        return []
    tasks = [] if from_pivot else [("translate", (source, pivot, pivot), target)]
    asked, drafts, answers = sentences(source), sentences(pivot), sentences(target)
    if len(asked) == len(drafts) == len(answers) > 1:
        tasks.append(("first", (source, pivot, drafts[0]), answers[0]))
        tasks.append(("last", (source, pivot, drafts[-1]), answers[-1]))
        if len(answers) == MAX_SENTENCES:
            tasks.append(("continue", (asked[0], drafts[0], drafts[1]), answers[1]))
    return tasks
