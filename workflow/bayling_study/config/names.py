"""Names that code registers and configs use. They are here so that a config is checked when the
workflow is parsed, without importing what they name (which needs Parquet and tokenizers). A unit
test compares each with its register."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.tables import beside

_PACKAGE = Path(__file__).parents[1]
RECIPE_FOLDERS = [_PACKAGE / "stages" / "synthesis" / "recipes"]
DEMAND_FOLDERS = [_PACKAGE / "shared" / "interactive" / "own"]
METRIC_FOLDERS = [_PACKAGE / "shared" / "metrics" / "own"]
"""Where recipes, further demands and further metrics are; a module that is put there is known
without further edits."""


def recipes() -> dict[str, bool]:
    """Returns the recipes of ``synthesis`` and whether each is made for directions. They are read
    from the decorators ``@recipe("NAME", directed=…)`` of the source."""
    found = _registered(RECIPE_FOLDERS, "recipe")
    return {name: bool(options.get("directed", True)) for name, options in found.items()}


def demands() -> list[str]:
    """Returns ``DEMANDS`` and those of ``@demand("NAME")`` in ``DEMAND_FOLDERS``."""
    return [*DEMANDS, *_registered(DEMAND_FOLDERS, "demand")]


def metrics() -> dict[str, dict[str, Any]]:
    """Returns the metrics of ``@metric("NAME", …)`` in ``METRIC_FOLDERS`` with what is stated."""
    return _registered(METRIC_FOLDERS, "metric")


def _registered(folders: Iterable[Path], decorator: str) -> dict[str, dict[str, Any]]:
    files = sorted(path for folder in folders for path in folder.glob("*.py"))
    calls = [(path, call) for path in files for call in _decorators(path)]
    found: dict[str, dict[str, Any]] = {}
    for file, call in calls:
        if decorator == getattr(call.func, "id", getattr(call.func, "attr", "")):
            if not call.args or not isinstance(getattr(call.args[0], "value", None), str):
                what, place = f"@{decorator} names nothing", f"{file}:{call.lineno}"
                raise StudyError(what, where=place, fix=f'@{decorator}("NAME", …), written out')
            options = {item.arg or "": getattr(item.value, "value", None) for item in call.keywords}
            found[call.args[0].value] = options  # type: ignore[attr-defined]
    return found


@cache
def _decorators(path: Path) -> list[ast.Call]:
    try:
        nodes = ast.parse(path.read_text(encoding="utf-8")).body
    except (SyntaxError, ValueError) as error:
        raise StudyError(f"not a module of Python ({error})", where=path) from error
    found = [call for node in nodes for call in getattr(node, "decorator_list", [])]
    return [call for call in found if isinstance(call, ast.Call)]


_NAMES: dict[str, Any] = beside(__file__)
PLAIN_OPENINGS = ("translate", "translate-part")
"""Demands that open a conversation where its later turns need it, and have no weight."""

DEMANDS: list[str] = _NAMES["demands"]
"""Kinds of demand of ``interactive`` that a weight can choose: first turns, edits, lengths,
other sentences and languages, forms."""

INSTRUCTION_LANGUAGES = ("en", "zh")
"""Languages for which prompts and demands are worded."""

WMT22_DIRECTIONS: list[str] = _NAMES["wmt22_directions"]
"""Directions of the released WMT22 sets: the four that BayLing's tuning data covers, then
those that the paper calls zero-shot."""

WMT22_ZERO_SHOT = WMT22_DIRECTIONS[4:]
"""Those that BayLing was not tuned on; its README calls them zero-shot."""

CONSTRAINED_DIRECTIONS = ("zh-en", "en-zh")
"""Directions of the released constrained sets."""

RENAMED: dict[str, str] = _NAMES["renamed"]
"""Keys of earlier versions and what they are called now."""

RENAMED_RECIPES = {"pivot": ("pivot-draft", "plug interprets instructions: a recipe of its own")}
"""Recipes of earlier versions, what they are called now, and what else to know."""
