"""What the user writes, in English and Chinese, several ways for each demand. ``wordings.yaml`` is
this project's own, except for the first of ``translate`` and ``include``: BayLing's released
prompts, with which its test sets were translated (``translation_prompts``)."""

from random import Random

from bayling_study.core import languages
from bayling_study.core.tables import beside
from bayling_study.shared.translation_prompts import CONSTRAINTS, TRANSLATION

PAPER_SHARE = 0.6
"""Share of the first wording where a list begins with the paper's own prompt, which the test
sets use; the others keep a model from knowing only that one."""

PAPERS = {"translate": TRANSLATION, "include": CONSTRAINTS}


def _read() -> dict[str, dict[str, list[str]]]:
    wordings: dict[str, dict[str, list[str]]] = beside(__file__)
    for kind, papers in PAPERS.items():
        for instruction, text in papers.items():
            wordings[kind][instruction].insert(0, text)
    return wordings


WORDINGS = _read()  # wordings of each kind by the user's language


def word(
    kind: str, instruction: str, rng: Random, *, target: str | None = None, **values: object
) -> str:
    """Returns one wording of a demand in the user's language, filled in with ``values`` and the
    name of the language to translate into, whose code is ``target``."""
    choices = WORDINGS[kind][instruction]
    chosen = choices[0] if len(choices) == 1 else rng.choice(choices)
    if kind in PAPERS:
        chosen = choices[0] if rng.random() < PAPER_SHARE else rng.choice(choices[1:])
    if target is not None:
        values["language"] = languages.name(target, instruction)
    return chosen.format(**values)
