"""Every program of the workflow: its help, and how it tells that an input is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bayling_study.core import cli
from bayling_study.core.cli import EXIT_USER_ERROR, pairs
from bayling_study.core.errors import StudyError
from helpers import ROOT
from helpers.programs import STUDY, server

RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
COMET_PYTHON = ROOT / ".venv" / "comet" / "bin" / "python"
COMET = ("bayling_study.stages.comet.training", "bayling_study.stages.comet.score")
"""Programs of the other environment."""

COMMANDS = [
    " ".join(words.split())
    for rule in RULES
    for words in re.findall(r"-m (bayling_study[\w.]*(?: (?:make|apply)\b)?)", rule.read_text())
]
"""Module and subcommand of each rule."""

MISSING = {
    "bayling_study.stages.corpora": "--out out",
    "bayling_study.stages.synthesis": "--mixture m --corpora c --tokenizer t --out out",
    "bayling_study.stages.prompts": "--suite s --out out",
    "bayling_study.stages.tuning": "--system s --foundation f --synthesis i --masks m"
    " --checkpoints c --out out",
    "bayling_study.stages.export": "--system s --checkpoint c --out out",
    "bayling_study.stages.generation": "--system s --prompts p --suites s --work w --out out",
    "bayling_study.stages.scoring": "--system s --prompts p --generation o --suites s --out out",
    "bayling_study.stages.report": "--study s --out out",
}
"""What each stage is given besides a settings file that does not exist."""


def run(
    command: str, options: str, cwd: Path, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs a program, a ``fresh`` one or a fork."""
    python = str(COMET_PYTHON) if command in COMET else sys.executable
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    whole = [python, "-m", *command.split(), *options.split()]
    if not fresh:
        return server(STUDY).run(whole, environment, cwd)
    return subprocess.run(whole, cwd=cwd, env=environment, capture_output=True, text=True)


def test_the_rules_name_the_programs_of_all_stages():
    assert len(COMMANDS) == len(set(COMMANDS)) >= 14
    assert set(MISSING) < set(COMMANDS)
    assert set(COMET) < set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_program_named_in_a_rule_explains_itself(command, tmp_path):
    if command in COMET and not COMET_PYTHON.exists():
        pytest.skip("no comet environment here")
    result = run(command, "--help", tmp_path, fresh=" " not in command)
    assert result.returncode == 0, result.stderr
    assert f"usage: python -m {command.split()[0]}" in result.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", MISSING)
def test_a_missing_settings_file_is_told_in_one_line(command, tmp_path):
    options = f"--settings none.json --record run.json {MISSING[command]}"
    result = run(command, options, tmp_path)
    last = result.stderr.strip().splitlines()[-2:]
    assert result.returncode == EXIT_USER_ERROR, result.stderr
    assert any(line.startswith("error: none.json: ") for line in last), result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_program_without_a_record_path_says_so(tmp_path):
    result = run("bayling_study.stages.corpora", "--settings none.json --out out", tmp_path)
    assert result.returncode == EXIT_USER_ERROR
    assert result.stderr.strip().splitlines()[-1].endswith("required: --record")


def test_pairs_need_an_equals_sign():
    assert pairs(["a=b=c"], "--download") == {"a": Path("b=c")}
    with pytest.raises(StudyError, match=r"--download: 'a'(.|\n)*NAME=PATH"):
        pairs(["a"], "--download")


COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    base_folder=cli.path("where from", required=False),
    source=cli.OneOf(train=cli.path("to train"), dry=cli.option("only look", action="store_true")),
    suites=cli.SUITES,
    rest=cli.option("to run", positional=True, nargs="*"),
)


def test_a_command_line_is_described_by_its_options():
    words = "--settings s --record r --dry --suites a b --base-folder f -- x -y"
    options = vars(COMMAND_LINE.parse_args(words.split()))
    assert options == {
        "settings": Path("s"),
        "record": Path("r"),
        "code": "",
        "base_folder": Path("f"),
        "train": None,
        "dry": True,
        "suites": ["a", "b"],
        "rest": ["x", "-y"],
    }
    assert COMMAND_LINE.prog == f"python -m {__name__}"
    assert COMMAND_LINE.description == __doc__


@pytest.mark.parametrize(
    ("words", "trouble"),
    [
        ("--settings s --record r --suites a", "one of the arguments --train --dry is required"),
        ("--settings s --record r --suites a --dry --train x", "not allowed with argument --dry"),
        ("--record r --suites a --dry", "required: --settings"),
    ],
)
def test_what_is_missing_or_excluded_is_told(words, trouble, capsys):
    with pytest.raises(SystemExit) as ended:
        COMMAND_LINE.parse_args(words.split())
    assert ended.value.code == EXIT_USER_ERROR
    assert trouble in capsys.readouterr().err


def test_the_chosen_subcommand_is_told():
    both = {"out": cli.path("where to")}
    actions = cli.Actions(make=("makes", both), apply=("applies", both))
    parsed = cli.command(__name__, action=actions).parse_args(["apply", "--out", "o"])
    assert vars(parsed) == {"action": "apply", "out": Path("o")}
