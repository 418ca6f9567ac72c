"""The pod of the Kubernetes profile: its command, and what happens when it is to end."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from bayling_study.config import load_config
from bayling_study.dag.profiles import read_profile
from bayling_study.dag.rules import Dag
from bayling_study.stages.tuning.job import TrainingJob
from helpers import ROOT

PROFILE = ROOT / "config" / "profiles" / "kubernetes"
WORKFLOW = """
rule all:
    input: "tuned", "answers"

rule tuning:
    output: "tuned"
    retries: 5
    shell: "{python} train.py {{output}}"

rule after:
    input: "tuned"
    output: "answers"
    shell: "touch {{output}}"
"""
TRAINING = """
import sys, time
from pathlib import Path

folder = Path("results/embedded/work/tuning/tuned/0123456789ab")
with open("attempts", "a") as stream:
    stream.write("started\\n")
for _ in range(600):
    time.sleep(0.1)
    if (folder / "stop").exists():
        Path("saved").touch()
        sys.exit(75)
Path(sys.argv[1]).touch()
"""
"""A training that ends as the tuning stage does when its stop file appears."""


def container() -> dict[str, Any]:
    job = yaml.safe_load((PROFILE / "job.yaml").read_text())
    found: dict[str, Any] = job["spec"]["template"]["spec"]["containers"][0]
    return found


def copied(folder: Path) -> Path:
    """A repository with the hook, and the folder of a training job in it."""
    shutil.copytree(PROFILE, folder / "config" / "profiles" / "kubernetes")
    work = folder / "results" / "embedded" / "work" / "tuning" / "tuned" / "0123456789ab"
    work.mkdir(parents=True)
    (work / "job.json").write_text("{}")
    return folder / "config" / "profiles" / "kubernetes" / "stop.sh"


def test_the_hook_is_the_script_and_the_command_names_the_study() -> None:
    pod = container()
    place = Path(pod["workingDir"])
    program, script = pod["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sh" and (ROOT / Path(script).relative_to(place)).is_file()
    words = [*pod["command"], *pod["args"]]
    assert words[1:-2] == [
        "-m",
        "bayling_study.commands.study",
        "--study-config=config/config.yaml",
        "--",
        "--profile=config/profiles/kubernetes",
        "--configfile=config/config.yaml",
    ]
    assert read_profile(ROOT / "config/profiles/kubernetes").executor == "local"


def test_the_hook_writes_the_stop_file_that_workers_look_for(tmp_path: Path) -> None:
    script = copied(tmp_path)
    other = tmp_path / "results" / "embedded" / "work" / "tuning" / "tuned" / "not-a-job"
    other.mkdir()
    with subprocess.Popen(["sleep", "60"]) as process:
        subprocess.run(["sh", str(script), str(process.pid)], check=True, cwd="/")
        assert process.wait(30) == -15
    dag = Dag(load_config(ROOT / "config" / "config.yaml"))
    folder = tmp_path / dag.layout.study / "work" / "tuning" / "tuned" / "0123456789ab"
    values = {"tuning": {}, "template": "bayling", "seed": 1, "foundation": "", "out": ""}
    job = TrainingJob(system="x", work=str(folder), code="", deadline=None, card={}, **values)  # type: ignore[arg-type]
    assert job.stop_file.exists()
    assert list(tmp_path.rglob("stop")) == [job.stop_file]


@pytest.mark.slow
def test_training_saves_and_snakemake_starts_nothing_more(tmp_path: Path) -> None:
    """Left alone, Snakemake would start the stopped training again, and the rule behind it."""
    script = copied(tmp_path)
    (tmp_path / "train.py").write_text(TRAINING)
    (tmp_path / "Snakefile").write_text(WORKFLOW.format(python=sys.executable))
    command = [sys.executable, "-m", "snakemake", "--cores", "2"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        limit = time.monotonic() + 120
        while not (tmp_path / "attempts").exists():
            assert process.poll() is None and time.monotonic() < limit
            time.sleep(0.05)
        subprocess.run(["sh", str(script), str(process.pid)], check=True)
        process.terminate()  # what Kubernetes sends when the hook is done
        assert process.wait(120) != 0
    assert (tmp_path / "saved").exists()
    assert (tmp_path / "attempts").read_text() == "started\n"
    assert not (tmp_path / "answers").exists()
