"""Routed systems: each prompt has its member's answer, byte by byte, or a message says why not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Hypothesis, Prompt, write_prompts
from bayling_study.shared.metrics.answers import read_answers
from bayling_study.stages.generation.__main__ import main as generate
from bayling_study.stages.generation.outputs import PromptSet, SuiteAnswers, System, write_outputs

DIRECTIONS = ["zh-en", "en-zh", "de-en"]
SUITES = {
    "text": {"kind": "translation", "directions": DIRECTIONS},
    "exams": {"kind": "exams", "tasks": ["sat-en"]},
}
ROUTED = {"kind": "routed", "directions": {"*-en": "into", "de-en": "german", "en-*": "out"}}
MEMBERS = ("into", "german", "out")


def prompts(suite: str) -> list[Prompt]:
    """Returns prompts of the directions in turns, or of an exam, whose name looks like one."""
    if suite == "exams":
        return [Prompt(f"sat-en/{n}", suite, "sat-en", {"target": "en"}, ["?"], []) for n in "01"]
    both = [dict(zip(("source", "target"), one.split("-"), strict=True)) for one in DIRECTIONS]
    return [
        Prompt(f"{one}/{n}", suite, one, languages, ["?"] * 2, [])
        for n in range(2)
        for one, languages in zip(DIRECTIONS, both, strict=True)
    ]


def answer(member: str, prompt: Prompt) -> Hypothesis:
    """Returns an answer that nobody else gives."""
    turns = [f"{member} {prompt.id} {n}\u2028" for n in range(len(prompt.turns))]
    whole = [f"label: {turn}" for turn in turns]
    count = len(turns)
    return Hypothesis(prompt.id, turns, [7] * count, ["length"] * count, whole=whole)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study folder with the answers of the three members to both suites."""
    for suite in SUITES:
        write_prompts(tmp_path / f"prompts/{suite}.jsonl", prompts(suite))
    sets = {suite: PromptSet.load(tmp_path / "prompts", suite) for suite in SUITES}
    for member in MEMBERS:
        suites = {
            name: SuiteAnswers(one, [answer(member, prompt) for prompt in one.prompts])
            for name, one in sets.items()
        }
        system = System(member, "tuned", "transformers", {"checkpoint": member})
        write_outputs(tmp_path / member, system, suites)
    return tmp_path


def route(folder: Path, patch: pytest.MonkeyPatch, *suites: str, **changes: Any) -> dict[str, Any]:
    """Runs the stage; returns ``system.json``."""
    study = {"name": "test", "title": "Test", "seed": 5}
    systems = {"all": ROUTED | changes}
    write_json(folder / "settings.json", {"study": study, "systems": systems, "suites": SUITES})
    words = [f"--{name}={folder / name}" for name in ("prompts", "work")]
    words += [f"--settings={folder / 'settings.json'}", "--system=all", f"--out={folder / 'done'}"]
    words += [f"--members={folder}"]
    words += [f"--record={folder / 'record.json'}", "--suites", *suites]
    patch.setattr(sys, "argv", ["generation", *words])
    generate()
    result: dict[str, Any] = read_json(folder / "done/system.json")
    return result


def test_rows_are_the_members_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = route(folder, monkeypatch, *SUITES, default="out")
    lines = {name: (folder / name / "text.jsonl").read_bytes().split(b"\n") for name in MEMBERS}
    own = (folder / "done/text.jsonl").read_bytes().split(b"\n")
    asked = ["into", "out", "german"] * 2
    assert own[:-1] == [lines[name][place] for place, name in enumerate(asked)]
    assert own[-1] == b""
    exams = ((folder / name / "exams.jsonl").read_bytes() for name in ("out", "german"))
    assert [(folder / "done/exams.jsonl").read_bytes() == one for one in exams] == [True, False]
    assert system["suites"]["text"]["members"] == {"into": 2, "out": 2, "german": 2}
    assert system["suites"]["text"]["truncated"] == 12
    assert system["kind"] == "routed" and system["backend"] == "members"
    sha = {name: read_json(folder / name / "system.json")["sha256"] for name in MEMBERS}
    assert system["details"]["members"] == sha
    record = read_json(folder / "record.json")
    assert {f"members/{name}" for name in MEMBERS} <= set(record["inputs"])
    scored = read_answers(prompts("text"), folder / "done", "all", "text")
    assert [item.item for item in scored] == DIRECTIONS


def test_another_member_is_another_system(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = route(folder, monkeypatch, "text")
    swapped = {"*-en": "german", "de-en": "into", "en-*": "out"}
    after = route(folder, monkeypatch, "text", directions=swapped)
    assert before["sha256"] != after["sha256"]
    assert before["items"] == after["items"]


@pytest.mark.parametrize(
    ("suite", "changes", "said"),
    [
        ("exams", {}, "without a direction"),
        ("text", {"directions": {"*-en": "into", "de-*": "german"}}, "no member answers en-zh"),
        (
            "text",
            {"directions": {"*-en": "into", "de-*": "german", "en-*": "out"}},
            "disagree on de-en",
        ),
        ("text", {"directions": {"*-*": "nobody"}}, "system.json"),
    ],
)
def test_what_nobody_answers_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, suite: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        route(folder, monkeypatch, suite, **changes)
    assert not (folder / "done").exists()


def test_answers_of_another_system_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "german").rename(folder / "old")
    (folder / "into").rename(folder / "german")
    (folder / "old").rename(folder / "into")
    with pytest.raises(StudyError, match="the answers are of the system"):
        route(folder, monkeypatch, "text")
