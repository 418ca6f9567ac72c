"""The wording of the papers' translation prompts. Copied letter by letter from BayLing's released
inference scripts and outputs (ictnlp/BayLing at 8f6ecb9, ``scripts/``); language names follow the
prompt's own language (``languages.name``). Test sets ask in these words alone; training
conversations mostly do (``interactive.wordings``)."""

from collections.abc import Sequence

from bayling_study.core import languages
from bayling_study.core.tables import beside

_WORDINGS: dict[str, dict[str, str]] = beside(__file__)
TRANSLATION, CONSTRAINTS = _WORDINGS["translation"], _WORDINGS["constraints"]
"""Request of a translation, and demand for certain words, both by prompt language."""


def translation_prompt(
    source: str, target: str, prompt_language: str, constraints: Sequence[str] = ()
) -> str:
    """Returns the prompt, in ``en`` or ``zh``, that asks for a text's translation into ``target``.
    The answer must contain the ``constraints``, which go on a second line, joined by a comma and a
    space in both prompt languages (``StudyError`` if CLDR does not know the target language)."""
    name = languages.name(target, prompt_language)
    prompt = TRANSLATION[prompt_language].format(language=name, source=source)
    if not constraints:
        return prompt
    words = ", ".join(constraints)
    return f"{prompt}\n{CONSTRAINTS[prompt_language].format(words=words)}"
