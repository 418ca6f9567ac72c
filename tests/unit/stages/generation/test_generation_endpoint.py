"""Systems behind a server, from the generation stage's command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    read_hypotheses,
    read_prompts,
    write_prompts,
)
from bayling_study.stages.generation.__main__ import main as generate
from helpers.endpoint_server import Body, Server, serving, status

SUITES = {
    "translation": {"kind": "translation", "directions": ["zh-en"]},
    "interactive": {
        "kind": "interactive",
        "directions": ["zh-en"],
        "decoding": {"beams": 1, "sample": True, "temperature": 0.9, "max_new_tokens": 16},
    },
}


def prompts(suite: str) -> list[Prompt]:
    turns = 3 if suite == "interactive" else 1
    return [
        Prompt(f"zh-en/{n}", suite, "zh-en", {}, [f"{n}.{t}" for t in range(1 + n % turns)], [])
        for n in range(9)
    ]


def numbered(body: Body, number: int) -> str:
    """Answers with what it was asked, and how much it saw."""
    return f" to {body['messages'][-1]['content']}\nof {len(body['messages'])} "


def thinking(body: Body, number: int) -> str:
    """Thinks before it answers, and does not come to an end in second turns."""
    asked = body["messages"][-1]["content"]
    return f"<think>\nHm {asked}" + ("" if asked.endswith(".1") else f"\n</think>\n\nto {asked}")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(numbered) as running:
        yield running


class Study:
    def __init__(self, folder: Path, server: Server, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.server, self.patch = folder, server, patch
        for suite in SUITES:
            write_prompts(folder / "prompts" / f"{suite}.jsonl", prompts(suite))

    def generate(self, **changed: Any) -> dict[str, Any]:
        section = self.server.settings(**changed).model_dump(mode="json")
        study = {"name": "test", "title": "Test", "seed": 5}
        systems = {"remote": section}
        sections = {"study": study, "systems": systems, "suites": SUITES, "generation": {}}
        write_json(self.folder / "settings.json", sections)
        words = [f"--{name}={self.folder / name}" for name in ("prompts", "work", "out")]
        words += [f"--settings={self.folder / 'settings.json'}", "--system=remote"]
        words += [f"--record={self.folder / 'record.json'}", "--suites", *SUITES]
        self.patch.setattr(sys, "argv", ["generation", *words])
        generate()
        result: dict[str, Any] = read_json(self.folder / "out/system.json")
        return result

    def hypotheses(self, suite: str) -> list[Hypothesis]:
        asked = read_prompts(self.folder / "prompts" / f"{suite}.jsonl")
        return read_hypotheses(self.folder / "out" / f"{suite}.jsonl", asked)


@pytest.fixture
def study(tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Study:
    return Study(tmp_path, server, monkeypatch)


def test_a_server_answers_all_suites(study: Study) -> None:
    system = study.generate(parallel=3)
    assert (system["backend"], system["kind"]) == ("endpoint", "endpoint")
    details = {"url": study.server.url, "model": "m", "template": "the server's"}
    assert system["details"] == details
    assert [row.turns for row in study.hypotheses("translation")] == [
        [f"to {n}.0 of 1"] for n in range(9)
    ]
    row = study.hypotheses("interactive")[2]
    assert row.turns == ["to 2.0 of 1", "to 2.1 of 3", "to 2.2 of 5"]
    assert row.finish == ["stop"] * 3 and row.tokens == [4] * 3
    assert row.provenance == system["suites"]["interactive"]["provenance"]
    record = read_json(study.folder / "record.json")
    assert record["metrics"]["endpoint.requests"] == 9 + 18


def test_reasoning_is_kept_beside_the_answers_and_counted(study: Study) -> None:
    plain = study.generate()
    study.server.answer = thinking
    (study.folder / "work" / "answers.jsonl").unlink()
    system = study.generate()
    [first, second, third] = (
        study.hypotheses("interactive")[2],
        *study.hypotheses("translation")[:2],
    )
    assert first.turns == ["to 2.0", "", "to 2.2"]
    assert first.reasoning == ["Hm 2.0", "Hm 2.1", "Hm 2.2"]
    assert (second.turns, third.reasoning) == (["to 0.0"], ["Hm 1.0"])
    counts = system["suites"]["interactive"]
    assert (counts["with_reasoning"], counts["unfinished_reasoning"], counts["empty"]) == (18, 6, 6)
    assert not {"with_reasoning", "unfinished_reasoning"} & set(plain["suites"]["interactive"])
    shown = [m["content"] for body in study.server.bodies for m in body["messages"]]
    assert not [text for text in shown if "Hm" in text or "think" in text]


def test_other_keys_of_a_request_are_recorded(study: Study) -> None:
    body = {"limit_key": "max_completion_tokens", "extra_body": {"temperature": None}}
    system = study.generate(**body)
    assert {key: system["details"][key] for key in body} == body
    assert system["suites"]["interactive"]["decoding"]["temperature"] is None
    assert "max_completion_tokens" in study.server.bodies[0]


def test_later_turns_see_earlier_answers(study: Study) -> None:
    study.generate()
    long = next(b for b in study.server.bodies if b["messages"][-1]["content"] == "2.2")
    assert long["messages"] == [
        {"role": "user", "content": "2.0"},
        {"role": "assistant", "content": "to 2.0 of 1"},
        {"role": "user", "content": "2.1"},
        {"role": "assistant", "content": "to 2.1 of 3"},
        {"role": "user", "content": "2.2"},
    ]


def test_the_decoding_is_what_a_server_offers(study: Study) -> None:
    system = study.generate()
    sampled = [body for body in study.server.bodies if "." in body["messages"][-1]["content"]]
    by_heat = {0.0: set(), 0.9: set()}
    for body in sampled:
        by_heat[body["temperature"]].add(body.get("seed"))
    assert by_heat[0.0] == {None} and len(by_heat[0.9]) == 18
    beams = system["suites"]["translation"]["decoding"]
    assert beams["beams"] == 1 and "instead of 5 beams" in beams["note"]
    assert "note" not in system["suites"]["interactive"]["decoding"]


def test_a_job_that_ended_early_goes_on(study: Study) -> None:
    study.server.faults = [None] * 12 + [status(500)]
    with pytest.raises(StudyError, match="no answer after"):
        study.generate(parallel=1, retries=0)
    assert not (study.folder / "out").exists()
    study.generate()
    assert len(study.server.bodies) == 9 + 18 + 1
    before = study.hypotheses("interactive")
    study.generate(parallel=1, token_budget=10_000)  # what it may cost is not what it says
    assert study.hypotheses("interactive") == before
    assert len(study.server.bodies) == 9 + 18 + 1
