"""Lexically constrained translation: which of the given fragments the answer contains.

A constraint is met when the answer contains it as it stands; the case-folded rate forgives letter
case. BLEU and chrF stand beside it: an answer that only lists the fragments would meet them all.
"""

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics import translation
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, rate
from bayling_study.shared.metrics.one_form import one_form

EXACT = "constraints|match:substring|case:exact|version:1"
FOLDED = "constraints|match:substring|case:folded|version:1"


@one_form
def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns the two satisfaction rates, the share of segments with all, BLEU and chrF; notes give
    the percentages' counts (``StudyError`` if a prompt names no constraints)."""
    wanted = [_constraints(answers, index) for index in range(len(answers.prompts))]
    texts = answers.last_turns()
    exact = [_met(text, items) for text, items in zip(texts, wanted, strict=True)]
    folded = [
        _met(text.casefold(), [item.casefold() for item in items])
        for text, items in zip(texts, wanted, strict=True)
    ]
    sizes = [len(items) for items in wanted]
    complete = [float(met == size) for met, size in zip(exact, sizes, strict=True)]
    note = f"{int(sum(complete))}/{len(complete)} segments"
    return [
        rate("constraint-rate", EXACT, exact, sizes, f"{sum(exact)}/{sum(sizes)} constraints"),
        rate("constraint-rate-folded", FOLDED, folded, sizes, f"{sum(folded)}/{sum(sizes)}"),
        rate("constraint-all", EXACT, complete, note=note),
        *translation.measure(answers, options),
    ]


def _constraints(answers: Answers, index: int) -> list[str]:
    items = answers.prompts[index].meta.get("constraints")
    if not items or not all(isinstance(item, str) and item for item in items):
        raise StudyError("the prompt's meta names no constraints", where=answers.where(index))
    return list(items)


def _met(text: str, items: list[str]) -> int:
    return sum(item in text for item in items)
