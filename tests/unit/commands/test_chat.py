"""The terminal chat, driven through a pipe."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bayling_study.commands.chat import __main__ as program
from bayling_study.commands.chat.__main__ import ChatSession
from bayling_study.commands.chat.answering import Answerer
from bayling_study.commands.chat.system import build_command, find_system
from bayling_study.config import load_config
from bayling_study.config.evaluation import GenerationSection
from bayling_study.core.errors import StudyError
from bayling_study.dag.layout import Layout
from bayling_study.shared.models import load
from helpers import ROOT
from helpers.export_models import export_tiny, save_tiny
from helpers.tiny import write_study


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("talk")
    save_tiny(root / "model")
    for name in ("groupwise", "bitsandbytes", "gguf"):
        export_tiny(root / "model", root / name, name)
    return root


@pytest.fixture
def talk(folders):
    loaded = load(folders / "model", GenerationSection(precision="fp32"))
    return ChatSession(Answerer(loaded, "foundation"), 6)


def chat_through_a_pipe(folder: Path, lines: list[str], *extra: str) -> list[str]:
    command = [sys.executable, "-m", "bayling_study.commands.chat", "--checkpoint", str(folder)]
    command += ["--template", "foundation", "--answer-tokens", "5", "--precision", "fp32", *extra]
    result = subprocess.run(
        command,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow")},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize("name", ["model", "groupwise"])
def test_a_chat_through_a_pipe(folders, name):
    lines = ["hello", "/prompt again", "/reset", "/prompt again", "/what", "/quit", "never asked"]
    text = "\n".join(chat_through_a_pipe(folders / name, lines))
    first, _, rest = text.partition("(forgotten)")
    assert "/reset" in first.splitlines()[0]  # the commands are told at the start
    assert first.count("<|im_start|>user\nhello") == 1
    assert "<|im_start|>user\nagain" in first
    assert "hello" not in rest and "<|im_start|>user\nagain" in rest
    assert "never asked" not in text
    assert rest.rstrip().endswith("/quit  end")


@pytest.fixture
def study(tmp_path):
    """The miniature study with its foundation built and nothing else."""
    path = write_study(tmp_path)
    built = Layout(load_config(path)).checkpoint("foundation")
    save_tiny(built)
    return path


@pytest.fixture
def talk_program(monkeypatch, capsys):
    """Runs the chat in this process on one line; returns what it prints."""

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["talk", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO("/prompt hello\n"))
        program.main()
        return capsys.readouterr().out

    return run


def test_a_chat_with_a_system_of_a_study(study, tmp_path, talk_program):
    other = tmp_path / "other.yaml"
    other.write_text("systems: {foundation: {template: bayling}}", encoding="utf-8")
    arguments = ["--system", "foundation", "--answer-tokens", 5]
    # The system's own template, unless a later file says otherwise.
    plain = talk_program("--study-config", study, *arguments)
    assert "<|im_start|>user\nhello" in plain
    assert "### Instruction:\nhello" in talk_program("--study-config", study, other, *arguments)


def test_a_system_that_is_not_built_names_what_to_run(study, tmp_path, talk_program):
    extra = tmp_path / "extra.yaml"
    extra.write_text("tuning: {epochs: 2}", encoding="utf-8")
    with pytest.raises(StudyError, match="not built yet") as caught:
        talk_program("--study-config", study, extra, "--system", "tuned-int8")
    assert caught.value.fix == f'make study STUDY=tiny CONFIG="{extra}"'
    assert build_command([Path("config/config.yaml")]) == "make study STUDY=embedded"


def test_only_systems_with_a_model_can_be_talked_to(study):
    with pytest.raises(StudyError, match="released outputs") as caught:
        find_system([ROOT / "config" / "studies" / "replay.yaml"], "bayling-13b")
    assert caught.value.fix is not None and "(none)" in caught.value.fix
    with pytest.raises(StudyError, match="no system 'tunned'") as caught:
        find_system([study], "tunned")
    assert caught.value.fix is not None and "tuned-int8" in caught.value.fix


def test_options_that_contradict_each_other(folders, talk_program):
    with pytest.raises(StudyError, match="which conversation template"):
        talk_program("--checkpoint", folders / "model")
    with pytest.raises(StudyError, match="only within a study"):
        talk_program("--checkpoint", folders / "model", "--system", "tuned")
    for arguments in (["--checkpoint", "x", "--study-config", "x.yaml"], []):
        with pytest.raises(SystemExit) as ended:
            talk_program(*arguments)
        assert ended.value.code == 2


def test_the_chat_ends_with_its_input(folders):
    assert len(chat_through_a_pipe(folders / "model", [])) == 1


def test_answers_stream_and_become_part_of_the_next_prompt(talk):
    pieces: list[str] = []
    assert talk.ask("hello", 0.0, pieces.append) == 0
    answer = talk.messages[-1]["content"]
    assert "".join(pieces).strip() == answer
    assert [message["role"] for message in talk.messages] == ["user", "assistant"]
    assert f"assistant\n{answer}" in talk.prompt("and now")
    repeated = list(talk.messages)
    talk.reset()
    talk.ask("hello", 0.0, pieces.append)
    assert talk.messages == repeated  # greedy


def test_old_exchanges_make_room(talk):
    forgotten = [talk.ask("tell me more about it", 0.0, lambda text: None) for _ in range(6)]
    assert forgotten[0] == 0 and sum(forgotten) > 0
    assert len(talk.answerer.ids(talk._with("x"))) <= talk.prompt_tokens + 40
    assert talk.messages[0]["role"] == "user"


def test_a_question_that_cannot_fit_is_refused_and_forgotten(talk):
    with pytest.raises(StudyError, match="longer than"):
        talk.ask("word " * 500, 0.0, lambda text: None)
    assert talk.messages == []


def test_no_room_for_a_question_is_a_mistake(talk):
    with pytest.raises(StudyError, match="leave no room"):
        ChatSession(talk.answerer, talk.answerer.loaded.context)
