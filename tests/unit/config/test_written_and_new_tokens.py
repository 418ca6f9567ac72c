"""Checks of instructions that a teacher writes, and of new tokens, before any work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bayling_study.config.loading import load_config
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from helpers import ROOT

GROWN = {
    "kind": "foundation",
    "source": "smollm2",
    "vocabulary": {"tokens": 9, "languages": ["zh"]},
}
TUNED = {"kind": "tuned", "base": "grown", "mixture": "default"}
WRITTEN = {"translation": 0.9, "interactive": 0.0, "constrained": 0.0, "general": 0.0}

SWITCHED = {**WRITTEN, "entity-switch": 0.1}
CHINESE = [{"source": "belle", "reader": "alpaca", "path": "zh.json", "language": "zh"}]


def load(folder: Path, **sections: Any) -> Any:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(sections))
    return load_config(ROOT / "config" / "config.yaml", path)


def mixture(**keys: Any) -> dict[str, Any]:
    shares = {**WRITTEN, "self-instruct": 0.1}
    return {"mixtures": {"default": {"teacher": "foundation", "shares": shares, **keys}}}


@pytest.mark.parametrize(
    ("sections", "key", "what"),
    [
        (
            {
                "systems": {
                    "grown": GROWN,
                    "more": {**TUNED, "tuning": {"adapter": {"kind": "lora"}}},
                }
            },
            "systems.more.tuning.adapter.embeddings",
            "leaves the vectors of new tokens",
        ),
        (
            {"systems": {"grown": GROWN | {"vocabulary": {"tokens": 9, "languages": ["xh"]}}}},
            "systems.grown.vocabulary.languages",
            "xh",
        ),
        (
            {"systems": {"grown": GROWN | {"vocabulary": {"tokens": -1, "languages": ["zh"]}}}},
            "systems.grown.foundation.vocabulary.tokens",
            "greater than or equal to 0",
        ),
        (
            {
                "systems": {
                    "grown": GROWN,
                    "old": {"kind": "delta", "base": "grown", "source": "bayling-7b-diff"},
                }
            },
            "systems.old.base",
            "no rows for new tokens",
        ),
        (
            {"synthesis": mixture()},
            "synthesis.mixtures.default.self_instruct.languages",
            "nothing has a weight",
        ),
        (
            {"synthesis": mixture(self_instruct={"languages": {"qq": 1.0}})},
            "synthesis.mixtures.default.self_instruct.languages",
            "not a language code",
        ),
        (
            {
                "synthesis": mixture(self_instruct={"languages": {"de": 1.0}}),
                "corpora": {"conversations": []},
            },
            "corpora.conversations",
            "shows questions",
        ),
        (
            {
                "synthesis": {"mixtures": {"default": {"shares": SWITCHED}}},
                "corpora": {"conversations": CHINESE},
            },
            "corpora.conversations",
            "entity-switch changes English ones",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(
    sections: dict[str, Any], key: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(StudyError) as caught:
        load(tmp_path, **sections)
    assert what in caught.value.render() and key in caught.value.render()


def test_a_grown_foundation_is_the_studys_own_and_the_plain_one_shared(tmp_path: Path) -> None:
    adapter = {"adapter": {"kind": "lora", "embeddings": True}}
    systems = {"grown": GROWN, "more": {**TUNED, "tuning": adapter}}
    layout = Layout(load(tmp_path, systems=systems))
    assert layout.checkpoint("grown") == layout.study / "foundation" / "vocabulary" / "grown"
    assert layout.foundation("grown") == layout.checkpoint("foundation")
    assert layout.config.untuned("more") == "grown"
