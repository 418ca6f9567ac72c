"""A plan that an application can quote: sums, refusals, gated sources and the state of a token."""

import sys
from collections import namedtuple
from pathlib import Path

import pytest

from bayling_study.commands.plan import __main__ as program
from bayling_study.commands.plan import disk
from bayling_study.commands.plan.downloads import Download
from bayling_study.commands.plan.tables import gate_table
from bayling_study.commands.preflight import here
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from helpers import ROOT
from helpers.download_cases import row

Usage = namedtuple("Usage", "total used free")
SECRET = "hf_secret"
GATED = row("hub", "models/meta/llama", gated=True, licence="Meta's terms")


@pytest.fixture(autouse=True)
def without_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the machine's own tokens."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


@pytest.fixture
def plan(tmp_path, monkeypatch, capsys):
    """Plans a large study on SLURM, with room on the disk."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: Usage(0, 0, 10**15))

    def run(study: str, **tuning: object) -> str:
        override = tmp_path / "override.yaml"
        write_json(override, {"tuning": tuning})
        arguments = ["--study-config", f"config/studies/{study}.yaml", str(override)]
        arguments += ["--profile", "config/profiles/slurm", "--gpus", "8", "--gpu-gib", "80"]
        monkeypatch.setattr(sys, "argv", ["plan", *arguments])
        try:
            program.main()
        finally:
            run.text = capsys.readouterr().out
        return run.text

    return run


def test_a_large_study_is_summed_with_all_jobs_of_its_training(plan):
    text = plan("bayling-2-8b")
    assert "18 of 29" in text and "1,054.2" in text
    lines = [line.split() for line in text.splitlines()]
    # eighteen jobs of training in place of one, and what 10 others may take at most
    assert ["gpu", "28", "1,105"] in lines
    assert next(line for line in lines if line[:2] == ["tuning", "18"])[-1] == "1,054"


def test_too_few_attempts_are_refused_after_the_numbers(plan):
    with pytest.raises(StudyError, match="takes 18 jobs of 456 minutes") as refused:
        plan("bayling-2-8b", attempts=3)
    assert refused.value.fix is not None and "tuning: {attempts: 29}" in refused.value.fix
    assert "18 of 3" in plan.text
    assert "18 of 18" in plan("bayling-2-8b", attempts=18)


def test_the_plan_tells_gated_sources_their_terms_and_whether_a_token_is_set(plan, monkeypatch):
    text = plan("bayling-2-8b")
    assert "no token is set" in text and "HF_TOKEN" in text
    line = next(one for one in text.splitlines() if "meta-llama/" in one)
    assert "llama-3-8b-instruct" in line and "Meta Llama 3 Community License" in line
    monkeypatch.setenv("HF_TOKEN", SECRET)
    text = plan("bayling-2-8b")
    assert "a token is set" in text and SECRET not in text


def test_a_study_without_gated_sources_has_no_such_table():
    assert gate_table([Download(row("hub", "models/open/model"), 1, "", "missing")]) == ""
    assert "Meta's terms" in gate_table([Download(GATED, 1, "", "local")])


def test_the_preflight_fails_without_a_token_and_names_the_terms_with_one(monkeypatch):
    assert list(here.gates([row("hub", "models/open/model")])) == []
    (outcome,) = here.gates([GATED])
    assert outcome.level == "FAILED" and "no token" in outcome.found
    assert "meta/llama" in outcome.fix and "HF_TOKEN" in outcome.fix
    monkeypatch.setenv("HF_TOKEN", SECRET)
    (outcome,) = here.gates([GATED])
    assert outcome.level == "note" and "meta/llama, Meta's terms" in outcome.found
    assert SECRET not in outcome.render()
