"""The transformers backend from its command line, on a tiny random model."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer

from bayling_study.config import StudyConfig
from bayling_study.config.answering import Answering
from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import (
    Hypothesis,
    Prompt,
    read_hypotheses,
    read_prompts,
    write_prompts,
)
from bayling_study.shared import templates
from bayling_study.shared.checkpoints.reading import open_checkpoint
from bayling_study.shared.models import checkpoint_format, load
from bayling_study.stages.export.__main__ import make_format
from bayling_study.stages.export.job import export
from bayling_study.stages.generation import engines, running
from bayling_study.stages.generation.__main__ import main as generate
from bayling_study.stages.generation.answering import Answerer
from bayling_study.stages.generation.journal import Entry
from helpers.tiny_model import save_checkpoint

SUITES = {
    "translation": {
        "kind": "translation",
        "directions": ["zh-en"],
        "decoding": {"beams": 1, "max_new_tokens": 20},
    },
    "beam": {
        "kind": "translation",
        "directions": ["zh-en"],
        "decoding": {"beams": 3, "max_new_tokens": 12},
    },
    "interactive": {
        "kind": "interactive",
        "directions": ["zh-en"],
        "decoding": {"beams": 1, "sample": True, "temperature": 1.0, "max_new_tokens": 16},
    },
}
SYSTEMS = {
    "foundation": {"kind": "foundation", "source": "tiny"},
    "tuned": {"kind": "tuned", "base": "foundation", "mixture": "default"},
    "tuned-int8": {"kind": "int8", "base": "tuned"},
    "agents": {
        "kind": "foundation",
        "source": "tiny",
        "answering": {"steps": ["translate", "annotate", "proofread"]},
    },
    "alone": {"kind": "foundation", "source": "tiny", "answering": {"steps": ["translate"]}},
    "none": {
        "kind": "foundation",
        "source": "tiny",
        "answering": {"examples": {"languages": ["fr"], "count": 0}},
    },
    "other": {"kind": "published", "source": "release", "folders": {}},
}


def prompts(suite: str, count: int) -> list[Prompt]:
    turns = 3 if suite == "interactive" else 1
    return [
        Prompt(
            id=f"zh-en/{number}",
            suite=suite,
            item="zh-en",
            languages={"source": "zh", "target": "en"},
            turns=[f"turn {turn}: {'word ' * (number % 7)}!" for turn in range(1 + number % turns)],
            references=[],
        )
        for number in range(count)
    ]


class Study:
    """A study folder with prompts and a checkpoint, and a way to run the stage."""

    def __init__(self, folder: Path, checkpoint: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.checkpoint, self.patch = folder, checkpoint, patch
        self.settings(max_batch=4)
        for suite in SUITES:
            write_prompts(folder / "prompts" / f"{suite}.jsonl", prompts(suite, 11))

    def settings(self, **generation: Any) -> None:
        values = {"precision": "fp32", **generation}
        study = {"name": "test", "title": "Test", "seed": 5}
        sections = {"study": study, "systems": SYSTEMS, "suites": SUITES, "generation": values}
        write_json(self.folder / "settings.json", sections)

    def generate(self, system: str = "foundation", *suites: str, **changed: Any) -> dict[str, Any]:
        """Runs the stage; returns ``system.json``."""
        options = {
            "settings": self.folder / "settings.json",
            "record": self.folder / "record.json",
            "system": system,
            "checkpoint": self.checkpoint,
            "prompts": self.folder / "prompts",
            "work": self.folder / "work",
            "out": self.folder / "out",
            "threads": 1,
            **changed,
        }
        words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
        self.patch.setattr(sys, "argv", ["generation", *words, "--suites", *(suites or SUITES)])
        generate()
        result: dict[str, Any] = read_json(self.folder / "out/system.json")
        return result

    def metrics(self) -> dict[str, float]:
        """Returns the metrics of the last run's record."""
        metrics: dict[str, float] = read_json(self.folder / "record.json")["metrics"]
        return metrics

    def hypotheses(self, suite: str) -> list[Hypothesis]:
        asked = read_prompts(self.folder / "prompts" / f"{suite}.jsonl")
        return read_hypotheses(self.folder / "out" / f"{suite}.jsonl", asked)

    def all_hypotheses(self) -> list[Hypothesis]:
        return [row for suite in SUITES for row in self.hypotheses(suite)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def study(tmp_path: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    return Study(tmp_path, checkpoint, monkeypatch)


def test_what_the_checkpoint_asks_of_decoding_is_recorded_and_not_obeyed(
    study: Study, tmp_path: Path
) -> None:
    assert "generation_config_set_aside" not in study.generate()["details"]
    plain = [row.turns for row in study.all_hypotheses()]
    asking = tmp_path / "asking"
    shutil.copytree(study.checkpoint, asking)
    asked = {"repetition_penalty": 1.9, "suppress_tokens": [9, 10]}
    own = read_json(asking / "generation_config.json")
    write_json(asking / "generation_config.json", {**own, **asked})
    system = study.generate(checkpoint=asking)
    assert system["details"]["generation_config_set_aside"] == asked
    assert [row.turns for row in study.all_hypotheses()] == plain


def test_outputs_tell_how_they_were_made(study: Study) -> None:
    system = study.generate()
    assert system["items"] == {suite: ["zh-en"] for suite in SUITES}
    assert system["backend"] == "transformers"
    assert system["details"]["template"] == "foundation"
    assert system["details"]["precision"] == "fp32"
    tokenizer = AutoTokenizer.from_pretrained(study.checkpoint)
    stops = {str(tokenizer.eos_token_id): tokenizer.eos_token}
    assert stops.items() <= system["details"]["stops"].items()
    assert system["suites"]["beam"]["decoding"]["beams"] == 3
    assert system["suites"]["beam"]["clean_up"] == "newlines to spaces, strip"
    assert study.metrics()["answers_per_second"] > 0
    record = read_json(study.folder / "record.json")
    assert record["state"] == "finished"
    assert record["metrics"]["interactive.turns"] == sum(
        len(p.turns) for p in prompts("interactive", 11)
    )
    for row in study.all_hypotheses():
        assert all("\n" not in turn and turn == turn.strip() for turn in row.turns)
        assert set(row.finish) <= {"stop", "length"}


def test_a_template_that_refuses_a_prompt_is_named_with_it(
    study: Study,
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(study.checkpoint)
    ask = "{% if messages|length > 2 %}{{ raise_exception('one turn only') }}{% endif %}"
    tokenizer.chat_template = ask + tokenizer.chat_template
    loaded = shutil.copytree(study.checkpoint, study.folder / "refusing")
    tokenizer.save_pretrained(loaded)
    with pytest.raises(StudyError, match="one turn only") as caught:
        study.generate("foundation", "interactive", checkpoint=loaded)
    assert caught.value.where == "prompt zh-en/1"


def test_reasoning_of_a_model_that_is_run_here_is_told_apart(study: Study, tmp_path: Path) -> None:
    assert not {"with_reasoning"} & set(study.generate()["suites"]["translation"])
    plain = study.hypotheses("translation")
    assert b"reasoning" not in (study.folder / "out/translation.jsonl").read_bytes()
    thinking = tmp_path / "thinking"
    shutil.copytree(study.checkpoint, thinking)
    template = (thinking / "chat_template.jinja").read_text("utf-8")
    begun = template.replace("assistant\n", "assistant\n<think>\n")
    assert begun != template
    (thinking / "chat_template.jinja").write_text(begun, "utf-8")
    counts = study.generate(checkpoint=thinking)["suites"]["translation"]
    rows = study.hypotheses("translation")
    # The prompt begins the reasoning, and this model never ends it.
    assert [row.turns for row in rows] == [[""]] * len(plain)
    assert any(row.reasoning for row in rows)
    assert counts["unfinished_reasoning"] == sum(bool(row.reasoning) for row in rows)
    study.patch.setattr(running, "answer_text", lambda *_, cut: "Hm\n</think>\n\nGuten Tag")
    study.generate(checkpoint=thinking, work=study.folder / "again")
    found = [(row.turns, row.reasoning) for row in study.hypotheses("translation")]
    assert found == [(["Guten Tag"], ["Hm"])] * len(plain)


def test_hypotheses_do_not_depend_on_batch_sizes(study: Study) -> None:
    found = []
    for number, size in enumerate(({"max_batch": 1}, {"max_batch": 4}, {"batch_tokens": 400}, {})):
        study.settings(**size)
        study.generate(work=study.folder / f"work{number}")
        found.append(study.all_hypotheses())
    assert found[0] == found[1] == found[2] == found[3]


def test_a_turn_sees_the_systems_earlier_answers(study: Study) -> None:
    study.generate("foundation", "interactive")
    loaded = load(study.checkpoint, GenerationSection(precision="fp32"))
    prompt, row = next(
        (p, h)
        for p, h in zip(prompts("interactive", 11), study.hypotheses("interactive"), strict=True)
        if len(p.turns) == 3 and all(h.turns)
    )
    messages = []
    for asked, answered in zip(prompt.turns, row.turns, strict=True):
        messages += [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": answered},
        ]
    seen = []
    original = templates.prompt_ids

    def spy(tokenizer: Any, template: Any, given: Any) -> list[int]:
        seen.append([dict(message) for message in given])
        return original(tokenizer, template, given)

    study.patch.setattr(templates, "prompt_ids", spy)
    study.generate("foundation", "interactive", work=study.folder / "again")
    assert messages[:5] in seen
    assert loaded.context == 512


class KilledError(Exception):
    """Stands for a kill in the middle of a job."""


def dying_after(times: int) -> Callable[..., Any]:
    """Lets ``decode`` yield so often."""
    original = engines.decode
    left = [times]

    def decode(*arguments: Any) -> Any:
        for some in original(*arguments):
            if not left[0]:
                raise KilledError
            left[0] -= 1
            yield some

    return decode


@pytest.mark.parametrize("times", [0, 1, 4, 7])
def test_a_killed_job_goes_on_and_ends_with_the_same_hypotheses(study: Study, times: int) -> None:
    study.generate()
    expected = study.all_hypotheses()
    work = study.folder / "killed"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(engines, "decode", dying_after(times))
        study.generate(work=work, out=study.folder / "nothing")
    assert not (study.folder / "nothing").exists()
    study.settings(max_batch=3)  # another batch size takes the journal over
    study.generate(work=work)
    assert study.all_hypotheses() == expected
    asked = sum(len(p.turns) for suite in SUITES for p in prompts(suite, 11))
    left = asked - study.metrics()["answers"]
    assert left == 0 if times == 0 else times <= left <= 4 * times


def test_a_finished_job_repeated_generates_nothing(study: Study) -> None:
    study.generate()
    expected = study.all_hypotheses()
    study.patch.setattr(engines, "decode", dying_after(0))
    study.generate()
    assert "answers" not in study.metrics()
    assert study.all_hypotheses() == expected


def test_the_last_of_several_calls_is_the_answer_and_all_are_kept_and_counted(
    study: Study,
) -> None:
    facts = study.generate("agents", "interactive")["suites"]["interactive"]
    asked = prompts("interactive", 11)
    turns = sum(len(prompt.turns) for prompt in asked)
    assert (facts["turns"], facts["calls"]) == (turns, 3 * turns)
    assert study.metrics()["answers"] == study.metrics()["interactive.calls"] == 3 * turns
    rows = study.hypotheses("interactive")
    assert facts["tokens"] == sum(sum(row.tokens) for row in rows)
    cut = [any(s["finish"] == "length" for s in turn) for row in rows for turn in row.steps]
    assert facts["steps_truncated"] == sum(cut)
    prompt, row = next((p, r) for p, r in zip(asked, rows, strict=True) if len(p.turns) == 3)
    for before, tokens in zip(row.steps, row.tokens, strict=True):
        assert [step["step"] for step in before] == ["translate", "annotate"]
        assert tokens > sum(step["tokens"] for step in before)
    answerer = Answerer(Answering(steps=["translate", "annotate", "proofread"]))
    entries = {
        call: {row.id: Entry(row.id, text, 1, "stop")}
        for call, text in enumerate(
            text
            for before, last in zip(row.steps, row.turns, strict=True)
            for text in (*(step["text"] for step in before), last)
        )
    }
    *earlier, last = answerer.conversation(prompt, entries, 8)
    assert [one["content"] for one in earlier] == [
        prompt.turns[0], row.turns[0], prompt.turns[1], row.turns[1],
    ]  # fmt: skip
    for text in (prompt.turns[2], row.steps[2][0]["text"], row.steps[2][1]["text"]):
        assert text in last["content"]


def test_a_killed_job_of_several_calls_ends_with_the_same_answers(study: Study) -> None:
    study.generate("agents", "interactive")
    expected, every = study.hypotheses("interactive"), study.metrics()["answers"]
    work = study.folder / "killed"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(engines, "decode", dying_after(5))
        study.generate("agents", "interactive", work=work, out=study.folder / "nothing")
    study.generate("agents", "interactive", work=work)
    assert study.hypotheses("interactive") == expected
    assert 0 < study.metrics()["answers"] < every


@pytest.mark.parametrize("system", ["none", "alone"])
def test_no_examples_and_one_plain_step_are_a_plain_run(study: Study, system: str) -> None:
    study.generate()
    plain = {suite: (study.folder / f"out/{suite}.jsonl").read_bytes() for suite in SUITES}
    rows = [replace(row, provenance="") for row in study.all_hypotheses()]
    found = study.generate(system, work=study.folder / "again")
    assert [replace(row, provenance="") for row in study.all_hypotheses()] == rows
    if system == "none":
        assert plain == {n: (study.folder / f"out/{n}.jsonl").read_bytes() for n in SUITES}
        assert not any("answering" in facts for facts in found["suites"].values())


def test_another_checkpoint_starts_over(study: Study, tmp_path: Path) -> None:
    first = study.generate()
    before = study.all_hypotheses()
    second = study.generate(checkpoint=save_checkpoint(tmp_path / "second", seed=4))
    assert first["sha256"] != second["sha256"]
    assert study.all_hypotheses() != before


def test_prompts_longer_than_the_context_are_cut_and_counted(study: Study, tmp_path: Path) -> None:
    long = [Prompt(**{**vars(p), "turns": [p.turns[0] * 40]}) for p in prompts("translation", 4)]
    write_prompts(study.folder / "prompts/translation.jsonl", long)
    small = save_checkpoint(tmp_path / "small", context=64)
    system = study.generate("foundation", "translation", checkpoint=small)
    facts = system["suites"]["translation"]
    assert facts["prompts_cut"] == 4
    tokenizer = AutoTokenizer.from_pretrained(small)
    turns: list[list[templates.Message]] = [
        [{"role": "user", "content": prompt.turns[0]}] for prompt in long
    ]
    whole = sum(len(templates.prompt_ids(tokenizer, "foundation", turn)) for turn in turns)
    assert facts["prompt_tokens_cut"] == whole - 4 * (
        64 - 10
    )  # half of the answer's limit is kept for it
    assert all(row.tokens[0] <= 20 for row in study.hypotheses("translation"))


@pytest.mark.parametrize("compute", ["cached", "streamed"])
def test_groupwise_8_bit_checkpoints_answer(study: Study, tmp_path: Path, compute: str) -> None:
    config = StudyConfig.model_validate({"systems": SYSTEMS, "export": {"group_size": 16}})
    source = open_checkpoint(study.checkpoint)
    export(source, make_format(source, "groupwise", config), tmp_path / "int8")
    study.settings(int8_compute=compute)
    system = study.generate("tuned-int8", checkpoint=tmp_path / "int8")
    assert system["details"]["format"] == "groupwise"
    assert system["details"]["template"] == "bayling"
    assert any(row.turns[0] for row in study.all_hypotheses())


def test_templates() -> None:
    config = StudyConfig.model_validate({"systems": SYSTEMS})
    assert config.template_of("foundation") == "foundation"
    assert config.template_of("tuned-int8") == config.template_of("tuned") == "bayling"
    with pytest.raises(StudyError, match="is published, not run here, and has no template"):
        config.template_of("other")


def test_wrong_command_lines(study: Study) -> None:
    with pytest.raises(StudyError, match="is a published system"):
        study.generate("other")
    with pytest.raises(StudyError, match="checkpoint folder does not exist"):
        study.generate(checkpoint=study.folder / "nowhere")


def test_formats_are_told_by_the_files(tmp_path: Path, checkpoint: Path) -> None:
    assert checkpoint_format(checkpoint) == "safetensors"
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "model.safetensors").touch()
    config["quantization_config"] = {"quant_method": "bitsandbytes"}
    write_json(tmp_path / "config.json", config)
    assert checkpoint_format(tmp_path) == "bitsandbytes"
    (tmp_path / "model.gguf").touch()
    assert checkpoint_format(tmp_path) == "gguf"


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "pytorch_model.bin")
    write_json(tmp_path / "config.json", {})
    with pytest.raises(StudyError, match=r"no \.safetensors"):
        checkpoint_format(tmp_path)
