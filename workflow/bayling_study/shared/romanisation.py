"""Text of any script in Latin letters, by the package uroman."""

from functools import cache
from typing import Any

from bayling_study.core import languages
from bayling_study.core.languages.flores import flores_languages

CODES = {one.code: one.flores101[:3] for one in flores_languages()}
"""Languages to their codes by ISO 639-3; for some of them uroman has rules of their own."""


@cache
def _uroman() -> Any:
    from uroman import Uroman  # type: ignore[import-untyped]  # here, for it takes seconds to load

    return Uroman()


def romanised(text: str, language: str) -> str:
    """Returns a text in Latin letters, by the rules of its language where there are some. Of whole
    text alone: uroman turns the signs of byte-level pieces into letters."""
    code = languages.LOCALES.get(language, language).partition("_")[0]
    return str(_uroman().romanize_string(text, lcode=CODES.get(code)))


def has_other_script(language: str) -> bool:
    """Tells whether a language is written in other letters (``StudyError`` if it is unknown)."""
    return languages.script(language) != "Latn"
