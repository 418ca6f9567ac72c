"""`make study`: Snakemake in a process that has read the configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bayling_study.dag.exclusive import processes_here
from helpers import ROOT

RULE = """
rule made:
    output: "made"
    shell: "COMMAND"
"""


def start(folder: Path, command: str, *options: str) -> subprocess.Popen[str]:
    """Starts the program for the embedded study's configuration and a workflow of one job."""
    (folder / "Snakefile").write_text(RULE.replace("COMMAND", command))
    config = ROOT / "config" / "config.yaml"
    program = [sys.executable, "-P", "-m", "bayling_study.commands.study"]
    program += ["--study-config", str(config), *options, "--", "--cores", "1"]
    return subprocess.Popen(
        program, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
    )  # fmt: skip


def test_it_ends_as_snakemake_does_and_says_things_once(tmp_path: Path) -> None:
    run = start(tmp_path, "touch {output}")
    said = run.communicate(timeout=240)[1]
    assert run.returncode == 0, said
    assert (tmp_path / "made").exists()
    assert said.count("rule made:") == 1
    assert "bayling_study" not in said and "snakemake.logging" not in said
    (tmp_path / "made").unlink()
    failed = start(tmp_path, "exit 3")
    said = failed.communicate(timeout=240)[1]
    assert failed.returncode == 1
    assert "Traceback" not in said


def test_the_end_is_the_summary_where_that_is_asked_for(tmp_path: Path) -> None:
    run = start(tmp_path, "touch {output}", "--summary")
    said = run.communicate(timeout=240)[1]
    assert run.returncode == 2  # this workflow makes no report
    assert "\nerror: results/embedded/report: the study has no report yet\n" in said


def test_a_mistake_is_told_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("tuning: {epoch: 1}\n")
    run = start(tmp_path, "touch {output}", "--study-config", str(tmp_path / "more.yaml"))
    said = run.communicate(timeout=240)[1]
    assert run.returncode == 2
    assert said.startswith("error: ") and "Traceback" not in said
    assert not (tmp_path / "results").exists()


def test_others_see_a_workflow_at_work_and_leave_its_jobs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(tmp_path, "echo begun > made; exec sleep 600")
    while not (tmp_path / "made").exists():  # what Snakemake says comes before the job's process
        assert run.poll() is None, "the workflow ended"
        time.sleep(0.05)
    jobs, workflow = processes_here(tmp_path)
    for process in psutil.Process(run.pid).children(recursive=True):
        process.kill()
    run.communicate(timeout=240)
    assert workflow and not jobs
