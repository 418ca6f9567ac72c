"""Names that code registers and configs use.

They are here so that a config is checked when the workflow is parsed, without
importing what they name (which needs Parquet and tokenizers). A unit test
compares each with its register.
"""

from __future__ import annotations

TRANSLATION_RECIPES = ("translation", "constrained", "interactive")
"""Recipes of ``synthesis`` that are made for each direction."""

RECIPES = (*TRANSLATION_RECIPES, "general")
"""All recipes of ``synthesis``."""

PLAIN_OPENINGS = ("translate", "translate-part")
"""Demands that open a conversation where its later turns need it, and have no weight."""

DEMANDS = (
    *("start-with", "include-words", "correct-draft"),
    *("replace-words", "replace-name", "revise-source", "add-words", "drop-words", "use-term"),
    *("first-sentence", "last-sentence", "word-limit", "fuller"),
    *("next-sentence", "next-with-words", "switch-language", "translate-back", "ask-word"),
    *("quotes", "capitals", "with-original"),
)
"""Kinds of demand of ``interactive`` that a weight can choose: first turns, edits, lengths,
other sentences and languages, forms."""

INSTRUCTION_LANGUAGES = ("en", "zh")
"""Languages for which prompts and demands are worded."""

WMT22_DIRECTIONS = (
    *("zh-en", "en-zh", "de-en", "en-de"),
    *("cs-en", "ja-en", "ru-en", "uk-en", "en-cs", "en-ja", "en-ru", "en-uk"),
    *("de-fr", "fr-de"),
)
"""Directions of the released WMT22 sets: the four that BayLing's tuning data covers, then
those that the paper calls zero-shot."""

CONSTRAINED_DIRECTIONS = ("zh-en", "en-zh")
"""Directions of the released constrained sets."""
