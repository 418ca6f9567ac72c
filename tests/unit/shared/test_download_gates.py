"""Gated sources are told before the first job, with what to accept and where the token goes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.shared.sources.gates import check_gates, has_token
from bayling_study.shared.sources.table import SourceRow
from helpers import ROOT
from helpers.programs import run_snakemake


def row(name: str, gated: bool) -> SourceRow:
    return SourceRow(
        id=name, kind="hub", location=f"models/meta/{name}", licence="Terms", gated=gated
    )


@pytest.fixture(autouse=True)
def no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hides the machine's own tokens; returns the place of the hub's files."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_all_gated_sources_are_told_at_once() -> None:
    with pytest.raises(StudyError, match=r"2 gated source\(s\).*: one, two") as caught:
        check_gates([row("one", True), row("open", False), row("two", True)])
    text = caught.value.render()
    for part in ("meta/one (Terms)", "HF_TOKEN", "download.local", "two: /path/to/two"):
        assert part in text
    assert "meta/open" not in text


def test_open_sources_need_no_token() -> None:
    check_gates([row("open", False)])


def test_a_token_is_found_where_the_hub_looks_and_never_shown(
    no_token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not has_token()
    no_token.mkdir()
    (no_token / "token").write_text("hf_secret")
    assert has_token()
    check_gates([row("one", True)])
    (no_token / "token").write_text("")
    assert not has_token()
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert has_token()
    monkeypatch.setenv("HF_TOKEN", " ")
    with pytest.raises(StudyError) as caught:
        check_gates([row("one", True)])
    assert "hf_" not in caught.value.render()


@pytest.mark.slow
def test_no_job_starts_and_a_dry_run_is_allowed(tmp_path: Path) -> None:
    for part in ("config", ".venv"):
        (tmp_path / part).symlink_to(ROOT / part)
    local = {"sharegpt": str(tmp_path)}
    write_json(tmp_path / "local.json", {"download": {"local": local}})
    options = ["--cores", "1", "--quiet", "rules", "--configfile"]
    options += ["config/studies/bayling-2-8b.yaml", "local.json"]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "none")}

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return run_snakemake(*options, *more, cwd=tmp_path, env=environment)

    refused = run("--", "fetch")
    assert refused.returncode != 0
    assert "llama-3-8b-instruct" in refused.stderr and "HF_TOKEN" in refused.stderr
    assert not (tmp_path / "resources" / "download").exists()
    assert run("--dry-run", "--", "fetch").returncode == 0


def test_a_rehearsal_makes_stand_ins_of_gated_models_and_no_data() -> None:
    model = row("one", True).model_copy(update={"first": 40})
    data = model.model_copy(update={"id": "set", "location": "datasets/meta/set"})
    check_gates([model])
    with pytest.raises(StudyError, match=r"1 gated source\(s\).*: set"):
        check_gates([model, data])
