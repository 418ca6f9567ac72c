"""Rows that do not fit their format, where each stands alone: the reader goes on without them."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from bayling_study.core.errors import StudyError

T = TypeVar("T")


class OddRow(NamedTuple):
    """A row that a reader could not use; ``text``, its start, is empty for an empty line."""

    language: str
    problem: str
    where: str
    text: str
    fix: str | None = None


def or_odd(make: Callable[[], T], language: str, row: object) -> T | OddRow:
    """Returns what is made of a row, or the row as odd where that is refused."""
    try:
        return make()
    except StudyError as error:
        text = repr(row)[:200] if row != "" else ""
        return OddRow(language, error.what, str(error.where), text, error.fix)
