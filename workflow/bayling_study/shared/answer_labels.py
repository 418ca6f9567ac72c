"""Labels before the parts of an answer that first says something in a pivot language. A system that
was tuned on the recipe ``plug`` answers in the pivot and then in the language that was asked for;
each part has a label, and only the text behind the last one's is the answer."""

from bayling_study.core import languages
from bayling_study.core.tables import beside

INSTRUCTION_LABEL = "English instruction:"
"""Before the instruction as it is understood in the pivot; PLUG's own is not published."""
LABELS: dict[str, str] = beside(__file__)
"""Labels of PLUG (Zhang et al. 2024, ``ytyz1307zzh/PLUG``), by language."""


def label(language: str) -> str:
    """Returns the label of an answer in a language; further ones have CLDR's English name."""
    return LABELS.get(language) or f"{languages.name(language)} response:"


def behind_label(answer: str, language: str) -> str | None:
    """Returns what stands behind the first label of a language, stripped; none without a label. As
    PLUG's extraction does: labels are compared letter by letter, colon included, and further labels
    behind the first one are text."""
    _, found, text = answer.partition(label(language))
    return text.strip() if found else None
