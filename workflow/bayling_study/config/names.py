"""Names that code registers and configs use.

They are here so that a config is checked when the workflow is parsed, without
importing what they name (which needs Parquet and tokenizers). A unit test
compares each with its register.
"""

import ast
from functools import cache
from pathlib import Path

RECIPE_FOLDERS = [Path(__file__).parents[1] / "stages" / "synthesis" / "recipes"]
"""Where recipes are; a module that is put there is known without further edits."""


def recipes() -> dict[str, bool]:
    """Returns the recipes of ``synthesis`` and whether each is made for directions.

    They are read from the decorators ``@recipe("NAME", directed=…)`` of the source.
    """
    files = sorted(path for folder in RECIPE_FOLDERS for path in folder.glob("*.py"))
    return {name: directed for path in files for name, directed in _registered(path)}


@cache
def _registered(path: Path) -> list[tuple[str, bool]]:
    found = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for call in getattr(node, "decorator_list", []):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "recipe":
                options = {item.arg: item.value for item in call.keywords}
                directed = options.get("directed", ast.Constant(True))
                found.append((ast.literal_eval(call.args[0]), bool(ast.literal_eval(directed))))
    return found


PLAIN_OPENINGS = ("translate", "translate-part")
"""Demands that open a conversation where its later turns need it, and have no weight."""

DEMANDS = (
    *("start-with", "include-words", "keep-name", "correct-draft"),
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

WMT22_ZERO_SHOT = WMT22_DIRECTIONS[4:]
"""Those that BayLing was not tuned on; its README calls them zero-shot."""

CONSTRAINED_DIRECTIONS = ("zh-en", "en-zh")
"""Directions of the released constrained sets."""

RENAMED = {
    "scoring.comet": "comet",
    "export.perplexity_conversations": "perplexity.conversations",
    "corpora.cleaning.samples": "report.rejected_samples",
    "tuning.micro_tokens": "tuning.micro_batch_tokens",
}
"""Keys of earlier versions and what they are called now."""
