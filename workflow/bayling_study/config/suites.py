"""Section ``suites``: test sets with their prompts, decoding and metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bayling_study.config.base import Direction, Name, Section


class Decoding(Section):
    """How a system continues a prompt."""

    beams: int = Field(default=5, ge=1)
    """Beam width (BayLing's translation script: 5)."""
    sample: bool = False
    """Draw tokens instead of taking the most probable."""
    temperature: float = Field(default=0.7, gt=0)
    """Used when ``sample`` is true (BayLing-80: 0.7)."""
    max_new_tokens: int = Field(default=1024, gt=0)
    """Limit of one answer; an answer that reaches it is reported as truncated."""


class TranslationSuite(Section):
    """Held-out segments of the study's own parallel corpora, one prompt each."""

    kind: Literal["translation"]
    directions: list[Direction]
    zero_shot: list[Direction] = []
    """Those of ``directions`` that no training conversation may have."""
    segments: int = Field(default=100, gt=0)
    """Test segments a direction, drawn with the study's seed."""
    prompt_language: Literal["en", "zh"] = "en"
    decoding: Decoding = Decoding()


class InteractiveSuite(Section):
    """Held-out interactive translation conversations, scored turn by turn."""

    kind: Literal["interactive"]
    directions: list[Direction]
    conversations: int = Field(default=25, gt=0)
    """Conversations a direction."""
    demands: dict[Name, float] = {}
    """Weight of each kind of demand; empty means all alike."""
    turns: dict[int, float] = {2: 0.6, 3: 0.4}
    """Number of user turns to its weight."""
    prompt_language: Literal["en", "zh"] = "en"
    decoding: Decoding = Decoding()


class Wmt22Suite(Section):
    """WMT22 general test sets in the BayLing release's folder layout."""

    kind: Literal["wmt22"]
    source: Name = "bayling-release"
    directions: list[Direction]
    prompt_language: Literal["en", "zh"] = "en"
    decoding: Decoding = Decoding()


class ConstrainedSuite(Section):
    """The released lexically constrained translation sets."""

    kind: Literal["constrained"]
    source: Name = "bayling-release"
    directions: list[Direction] = ["zh-en", "en-zh"]
    prompt_language: Literal["en", "zh"] = "en"
    decoding: Decoding = Decoding(max_new_tokens=150)


class ExamsSuite(Section):
    """AGIEval's exams with the released prompts and answer rules."""

    kind: Literal["exams"]
    source: Name = "agieval"
    tasks: list[Name] = []
    """Empty means all 18 tasks of the paper."""
    decoding: Decoding = Decoding(beams=1, max_new_tokens=512)


class ReviewsSuite(Section):
    """BayLing-80 answers compared by a judge; one review text per item and opponent."""

    kind: Literal["reviews"]
    source: Name = "bayling-release"
    opponents: list[Name] = []
    parts: list[Name] = ["singleturn.en", "multiturn.en", "singleturn.zh", "multiturn.zh"]
    decoding: Decoding = Decoding(beams=1, sample=True)


Suite = Annotated[
    TranslationSuite | InteractiveSuite | Wmt22Suite | ConstrainedSuite | ExamsSuite | ReviewsSuite,
    Field(discriminator="kind"),
]
