"""``answering`` of a system: how it is asked, and which part of what it says is its answer."""

from collections.abc import Iterable
from string import Formatter
from typing import Any, Literal

from pydantic import Field, field_validator

from bayling_study.config import conditions
from bayling_study.config.base import Name, Section
from bayling_study.config.combined import suite_directions
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import require
from bayling_study.core.tables import beside

PIVOT = "en"
"""The language of drafts, and of one side of every example."""
ASKS: dict[str, str] = beside(__file__)
"""What the three known roles are asked, in our own words."""


def check_marks(text: str, known: Iterable[str]) -> None:
    """Checks that the names in a text's braces stand alone and are known (``ValueError``)."""
    try:
        parsed = [part for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise ValueError(f"{error}; write {{{{ and }}}} for braces") from error
    names = ", ".join(f"{{{name}}}" for name in known)
    if any(form or conversion for *_, form, conversion in parsed):
        raise ValueError(f"a name stands alone in its braces: {names}")
    if unknown := {str(name) for _, name, *_ in parsed} - {*known}:
        raise ValueError(f"{{{min(unknown)}}} is unknown; write one of {names}")


class Examples(Section):
    """Translations of the training side, after linguistically-diverse prompts: an item's examples
    have none of its languages but English."""

    languages: list[Name] = Field(min_length=1)
    """Languages of ``corpora.parallel``; into English an example leads from one of them, out of
    English into one, and elsewhere from one to another."""
    count: int = Field(default=4, ge=0)
    """Examples before each prompt that states two languages; 0 shows none."""
    synthetic: bool = False
    """Out of English, examples are in the item's own language: training texts, and the system's own
    translations of them into English, which it makes first. Nobody's translation is needed."""


class Answering(Section):
    """How a system is asked, and which part of what it says is its answer. Questions that are
    scored by likelihood, judges' own reviews, and teachers' texts, are asked as ever."""

    keep: Literal["label"] | None = None
    """``label``: the answer is what stands behind the first label of its language, such as
    ``English response:``, as PLUG's answers have it (recipe ``plug``). Without the label it is
    empty, and counted. What was said in whole is kept beside it, and is what later turns see. None
    keeps all."""
    system: str | None = None
    """Text of the system message; ``{language}`` is the name of the answer's language, ``{pivot}``
    that of the language of drafts, English. Replaces the template's own."""
    steps: list[str] = []
    """Calls for each answer, one after the other, of which the last one's answer counts; the others
    are kept beside it. ``translate``, ``annotate``, ``proofread``, or a text: ``{request}`` is the
    suite's turn, ``{language}`` the answer's language, ``{first}`` and ``{answer}`` what the first
    step and the one before said. Each is decoded as the suite says. Empty asks once."""
    examples: Examples | None = None
    """Examples before the first call of each turn; none shows none."""

    @field_validator("system")
    @classmethod
    def _names_only_languages(cls, text: str | None) -> str | None:
        check_marks(text or "", ("language", "pivot"))
        return text

    @field_validator("steps")
    @classmethod
    def _ask_for_the_request(cls, steps: list[str]) -> list[str]:
        for number, step in enumerate(steps):
            if "{request}" not in ASKS.get(step, step).replace("{{", ""):
                raise ValueError(f"{step!r} is none of {', '.join(ASKS)}, and has no {{request}}")
            known = ("request", "language", *(("first", "answer") if number else ()))
            check_marks(ASKS.get(step, step), known)
        return steps

    @field_validator("examples")
    @classmethod
    def _none_for_no_examples(cls, examples: Examples | None) -> Examples | None:
        return examples if examples and examples.count else None


def example_directions(languages: Iterable[str], direction: str) -> list[str]:
    """Returns the directions of examples for items of a direction: with the pivot on the same side,
    and no other language of it."""
    sides = direction.split("-")
    others = [code for code in languages if code not in sides]
    firsts, seconds = ([PIVOT] if side == PIVOT else others for side in sides)
    return [f"{one}-{two}" for one in firsts for two in seconds if one != two]


def check_examples(config: Any, name: str, available: set[str], key: str) -> None:
    """Checks that a system's examples have languages of the parallel corpora (``available``), and
    one for each direction that a suite asks (``StudyError``)."""
    if (examples := config.answering_of(name).examples) is None:
        return
    others, key = sorted(available - {PIVOT}), f"{key}.answering.examples.languages"
    for code in examples.languages:
        require("language of corpora.parallel beside English", code, others, key)
    conditions.distinct(examples.languages, key)
    for suite, section in config.suites.items():
        for direction in suite_directions(section):
            if not example_directions(examples.languages, direction):
                free = [code for code in others if code not in direction.split("-")]
                what = f"no language is left for examples of {direction} (suite {suite})"
                raise StudyError(what, where=key, fix=f"languages: [{', '.join(free)}]")
