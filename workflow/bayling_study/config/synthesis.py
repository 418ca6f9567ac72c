"""Section ``synthesis``: mixtures of instruction recipes."""

from __future__ import annotations

from pydantic import Field

from bayling_study.config.base import Direction, Name, Section, Share
from bayling_study.config.systems import TemplateName


class Mixture(Section):
    """One training set: how many conversations of which recipe and direction."""

    conversations: int = Field(gt=0)
    """Conversations to make; fewer when the corpora run out, which the audit reports."""
    shares: dict[Name, Share]
    """Recipe to its share of the conversations; shares add up to 1. Recipes: ``translation``,
    ``constrained`` (with words to include), ``interactive`` (several turns) and ``general``
    (upstream conversations as they are)."""
    directions: dict[Direction, Share] = {}
    """Direction to its share of each recipe except ``general``; shares add up to 1. Both
    languages must be in ``corpora.parallel``."""
    demands: dict[Name, float] = {}
    """Weight of each kind of demand in interactive conversations; empty means all alike.
    Kinds: ``start-with``, ``include-words``, ``correct-draft``, ``replace-words``,
    ``replace-name``, ``revise-source``, ``add-words``, ``drop-words``, ``use-term``,
    ``first-sentence``, ``last-sentence``, ``word-limit``, ``fuller``, ``next-sentence``,
    ``next-with-words``, ``switch-language``, ``translate-back``, ``ask-word``, ``quotes``,
    ``capitals``, ``with-original``."""
    turns: dict[int, float] = {2: 0.6, 3: 0.4}
    """Number of user turns of an interactive conversation, at least 1, to its weight."""
    instruction_languages: dict[str, float] = {"en": 0.5, "zh": 0.5}
    """Language of the instruction to its weight: ``en`` and ``zh``."""
    max_tokens: int = Field(default=1024, gt=0)
    """Longer conversations are rejected (counted with the foundation's tokenizer)."""
    recipe_max_tokens: dict[Name, int] = {}
    """Recipe name to a lower limit of its own."""
    template: TemplateName = "bayling"
    """Conversation template in which lengths are counted."""


class SynthesisSection(Section):
    """Mixtures by name."""

    mixtures: dict[Name, Mixture] = {}
    """Training sets by name; a tuned system names the one it learns from."""
