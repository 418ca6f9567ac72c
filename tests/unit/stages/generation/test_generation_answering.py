"""Which part of an answer is kept, and how a system is asked, from the stage's command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bayling_study.config.answering import Answering
from bayling_study.config.systems import FoundationSystem
from bayling_study.core import seeds
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Hypothesis, Prompt, read_hypotheses, write_prompts
from bayling_study.shared.interactive.dialogue import Director
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.metrics.answers import read_answers
from bayling_study.stages.generation.__main__ import main as generate
from bayling_study.stages.synthesis.registry import Workshop, recipe_named
from bayling_study.stages.synthesis.types import Instruction
from helpers.endpoint_server import Body, Server, serving
from helpers.interactive_corpus import rows
from helpers.synthesis_corpora import mixture

TALK = {"kind": "interactive", "directions": ["zh-de"], "decoding": {"beams": 1}}
TEXT = {"kind": "translation", "directions": ["zh-de"], "decoding": {"beams": 1}}
SUITES = {"talk": TALK, "text": TEXT}
LANGUAGES = {"source": "zh", "target": "de"}


def learnt() -> list[Instruction]:
    """Returns conversations of the recipe, which a system may have learnt by heart."""
    library = Library(rows(), ["zh-de"], seed=5)
    director = Director(library, {}, {2: 1.0}, {"en": 1.0})
    workshop = Workshop(mixture(instruction_languages={"zh": 1.0}), library, director, iter(()))
    made = (
        recipe_named("plug").make(workshop, "zh-de", seeds.generator(1, str(n))) for n in range(8)
    )
    return [item for item in made if isinstance(item, Instruction)]


LEARNT = {item.messages[0]["content"]: item.messages[1]["content"] for item in learnt()}


def by_heart(body: Body, number: int) -> str:
    """Answers as it was taught; what it was not taught gets a draft without an answer."""
    return LEARNT.get(body["messages"][-1]["content"], "English response: None.")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(by_heart) as running:
        yield running


def prompts(suite: str) -> list[Prompt]:
    """Returns a prompt for each that was learnt, and one that was not; in talks, one more turn."""
    further = ["again"] if suite == "talk" else []
    return [
        Prompt(
            f"zh-de/{n}", suite, "zh-de", LANGUAGES, [asked, *further], ["x"] * (1 + len(further))
        )
        for n, asked in enumerate([*LEARNT, "never seen"])
    ]


def answers(
    folder: Path, server: Server, patch: pytest.MonkeyPatch, **answering: Any
) -> tuple[dict[str, Any], dict[str, list[Hypothesis]]]:
    """Runs the stage; returns ``system.json`` and the answers of each suite."""
    for suite in SUITES:
        write_prompts(folder / f"prompts/{suite}.jsonl", prompts(suite))
    system = server.settings().model_dump(mode="json")
    system |= {"answering": answering} if answering else {}
    study = {"name": "test", "title": "Test", "seed": 5}
    sections = {"study": study, "systems": {"remote": system}, "suites": SUITES, "generation": {}}
    write_json(folder / "settings.json", sections)
    words = [f"--{name}={folder / name}" for name in ("prompts", "work", "out")]
    words += [f"--settings={folder / 'settings.json'}", "--system=remote"]
    words += [f"--record={folder / 'record.json'}", "--suites", *SUITES]
    patch.setattr(sys, "argv", ["generation", *words])
    generate()
    found = {name: read_hypotheses(folder / f"out/{name}.jsonl", prompts(name)) for name in SUITES}
    return read_json(folder / "out/system.json"), found


def test_what_plug_teaches_is_cut_to_its_answer_before_scoring(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    german = [row["text_b"] for row in rows() if row["lang_b"] == "de"]
    system, found = answers(tmp_path, server, monkeypatch, keep="label")
    *known, unknown = found["text"]
    assert len(known) > 4
    for row, whole in zip(known, LEARNT.values(), strict=True):
        assert any(row.turns[0] in text for text in german)
        assert row.whole == [whole] and whole.endswith(f"German response: {row.turns[0]}")
    assert unknown.turns == [""] and unknown.whole == ["English response: None."]
    assert system["suites"]["text"]["without_label"] == system["suites"]["text"]["empty"] == 1
    assert system["suites"]["text"]["kept_in_part"] == len(found["text"])
    assert system["suites"]["text"]["answering"] == {"keep": "label"}
    scored = read_answers(prompts("text"), tmp_path / "out", "remote", "text")
    read = [answer for item in scored for answer in item.hypotheses]
    assert [row.turns for row in read] == [row.turns for row in found["text"]]


def test_a_later_turn_sees_what_was_said_in_whole(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(tmp_path, server, monkeypatch, keep="label")
    later = [body["messages"] for body in server.bodies if len(body["messages"]) == 3]
    assert len(later) == len(LEARNT) + 1
    for first, said, _ in later:
        assert said["content"] == by_heart({"messages": [first]}, 0)


def test_the_system_message_names_the_languages(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(tmp_path, server, monkeypatch, system="Think in {pivot}, answer in {language}.")
    first = {body["messages"][0]["content"] for body in server.bodies}
    assert first == {"Think in English, answer in German."}


def test_without_answering_nothing_is_written_that_was_not_before(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, found = answers(tmp_path, server, monkeypatch)
    assert [row.turns[0] for row in found["text"][:-1]] == [
        whole.replace("\n", " ") for whole in LEARNT.values()
    ]
    assert "whole" not in (tmp_path / "out/text.jsonl").read_text("utf-8")
    assert not {"answering", "without_label", "kept_in_part"} & set(system["suites"]["text"])
    plain = FoundationSystem(kind="foundation", source="tiny").model_dump(mode="json")
    assert plain == {"kind": "foundation", "source": "tiny", "template": "foundation"}


@pytest.mark.parametrize(("text", "said"), [("In {lang}", "{lang} is unknown"), ("{", "braces")])
def test_a_system_message_with_other_marks_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Answering(system=text)


def test_a_server_is_asked_in_steps_and_what_was_answered_is_not_asked_again(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = ["translate", "{request}\nBefore: {answer}\nNow in {language}:"]
    system, found = answers(tmp_path, server, monkeypatch, steps=steps, keep="label")
    count = len(server.bodies)
    facts = system["suites"]["text"]
    assert facts["calls"] == 2 * facts["turns"] == 2 * len(found["text"])
    last = found["text"][-1]
    assert last.steps[0][0]["text"] == "English response: None."  # kept whole, label and all
    asked = [body["messages"][-1]["content"] for body in server.bodies]
    assert "never seen\nBefore: English response: None.\nNow in German:" in asked
    record = read_json(tmp_path / "record.json")["metrics"]
    assert record["endpoint.requests"] == count
    again, same = answers(tmp_path, server, monkeypatch, steps=steps, keep="label")
    assert len(server.bodies) == count and (again, same) == (system, found)
