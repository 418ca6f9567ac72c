"""What the page is told of a study: its demands in their own words, its languages, examples."""

from __future__ import annotations

from typing import Any

from bayling_study.config import StudyConfig
from bayling_study.core import languages
from bayling_study.core.records import by_item, read_prompts
from bayling_study.dag.layout import Layout
from bayling_study.shared.interactive.wordings import WORDINGS

FIRST = {
    "translate": "translate",
    "replace-words": "replace X by Y",
    "first-sentence": "shorter",
    "use-term": "use this word",
    "keep-name": "keep this word",
    "translate-back": "translate back",
}
"""The demands whose buttons are always shown, and what stands on them."""
EXAMPLES = 5
"""Test prompts of each item that the page offers to begin with."""


def about(config: StudyConfig, layout: Layout) -> dict[str, Any]:
    """Returns it as JSON; demands and names of languages are by the language of the user."""
    users = list(WORDINGS["translate"])
    corpora = config.corpora.parallel
    codes = dict.fromkeys(
        [*users, *(code for one in corpora for code in (one.pivot, *one.languages))]
    )
    kinds = [*FIRST, *(kind for kind in WORDINGS if kind not in FIRST)]
    labels = {kind: FIRST.get(kind, kind.replace("-", " ").replace(".", " in ")) for kind in kinds}
    return {
        "study": config.study.name,
        "first": len(FIRST),
        "labels": labels,
        "demands": {user: {kind: WORDINGS[kind][user] for kind in kinds} for user in users},
        "languages": {user: [languages.name(code, user) for code in codes] for user in users},
        "examples": _examples(config, layout),
    }


def _examples(config: StudyConfig, layout: Layout) -> list[str]:
    """Returns first turns of the first suite of translation that is made from the corpora."""
    suites = filter(layout.suite_needs_corpora, config.suites)
    paths = (layout.study / "prompts" / f"{suite}.jsonl" for suite in suites)
    path = next((path for path in paths if path.is_file()), None)
    groups = by_item(read_prompts(path)).values() if path else []
    return [prompt.turns[0] for group in groups for prompt in group[:EXAMPLES]]
