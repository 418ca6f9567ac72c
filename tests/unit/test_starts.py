"""What programs import when they start: every job of every study pays for it."""

import subprocess
import sys

import pytest

from helpers import ROOT

HEAVY = {"matplotlib", "openai", "pandas", "torch", "transformers"}
"""Libraries that take a quarter of a second or more."""
NEEDED = {"stages.report": {"matplotlib", "pandas"}}
LIGHT = (
    *("corpora", "download", "generation", "harness", "judging", "prompts", "report", "scoring"),
    *("significance", "synthesis"),
)
PROGRAMS = [*(f"stages.{stage}" for stage in LIGHT), "commands.plan", "commands.status"]


def printed(code: str) -> str:
    """Returns what a new process prints."""
    program = [sys.executable, "-P", "-c", code]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("program", [*PROGRAMS, "dag.rules", "commands.running.run"])
def test_a_program_starts_without_libraries_that_it_may_not_need(program):
    module = f"bayling_study.{program}{'.__main__' if program in PROGRAMS else ''}"
    found = printed(f"import sys, {module}; print(*{HEAVY} & sys.modules.keys())")
    assert set(found.split()) == NEEDED.get(program, set())


def test_the_sources_of_the_configuration_are_not_parsed_at_every_start():
    code = "from bayling_study.config import StudyConfig; key = StudyConfig.model_fields['suites']"
    assert printed(f"{code}; print(key.description)") == "None"
    code += "; import bayling_study.config.document; print(key.description)"
    assert printed(code).startswith("Suites by name")
