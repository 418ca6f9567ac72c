"""Captions of ``snakemake --report``: each is there, none is left over."""

import re
from pathlib import Path

import pytest

from helpers import ROOT

WORKFLOW = ROOT / "workflow"
RULES = sorted((WORKFLOW / "rules").glob("*.smk"))


def named() -> set[Path]:
    """Returns the captions that the rules and the Snakefile name."""
    found = set()
    for file in RULES:
        for name in re.findall(r'caption="([^"]+)"', file.read_text(encoding="utf-8")):
            found.add((file.parent / name).resolve())
    main = (WORKFLOW.parent / "Snakefile").read_text(encoding="utf-8")
    return found | {WORKFLOW.parent / name for name in re.findall(r'(?m)^report: "([^"]+)"', main)}


def test_every_caption_is_there_and_in_use():
    assert named() == set((WORKFLOW / "report").glob("*.rst"))
    assert len(named()) > 3


@pytest.mark.parametrize("path", sorted((WORKFLOW / "report").glob("*.rst")), ids=lambda p: p.name)
def test_a_caption_says_something(path):
    assert len(path.read_text(encoding="utf-8").split()) > 15
