"""`--scheduler patient`: a wide job starts before what is less urgent."""

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bayling_study.commands.running.patient import Scheduler
from helpers import ROOT

RULES = """
rule all:
    input: "wide", "long"
rule first:
    output: "first"
    priority: 10
    shell: "FIRST; touch {output}"
rule wide:
    input: "first"
    output: "wide"
    priority: 10
    threads: 2
    shell: "echo wide >> order; touch {output}"
rule early:
    output: "early"
    priority: 10
    shell: "echo early >> order; touch {output}"
rule long:
    input: "early"
    output: "long"
    priority: 1
    shell: "echo long >> order; touch {output}"
"""


def order(folder: Path, scheduler: str, first: str) -> tuple[list[str], int]:
    """Returns in which order two cores began the jobs, and the status."""
    (folder / "Snakefile").write_text(RULES.replace("FIRST", first))
    options = ["--cores", "2", "--keep-going", "--scheduler", scheduler]
    command = [sys.executable, "-m", "snakemake", *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    return (folder / "order").read_text().split(), run.returncode


LATE = "until [ -e early ]; do sleep 0.05; done; sleep 2"
"""The core that became free has time to begin something before this job ends."""
OVERTAKEN = "until grep -q long order; do sleep 0.05; done"
"""A job that ends once the other core has begun the one that is less urgent."""


@pytest.mark.parametrize(
    ("scheduler", "first", "expected"),
    [
        ("greedy", OVERTAKEN, ["early", "long", "wide"]),
        ("patient", LATE, ["early", "wide", "long"]),
    ],
)
def test_a_wide_job_that_waits_for_one_that_runs_holds_back_less_urgent_ones(
    tmp_path: Path, scheduler: str, first: str, expected: list[str]
) -> None:
    assert order(tmp_path, scheduler, first) == (expected, 0)


def test_jobs_that_need_nothing_of_a_failed_one_run_after_it(tmp_path: Path) -> None:
    found, status = order(tmp_path, "patient", f"{LATE}; exit 3")
    assert found == ["early", "long"]
    assert status == 1
    assert not (tmp_path / "wide").exists() and (tmp_path / "long").exists()


def test_of_equal_priority_the_longest_begins_first() -> None:
    seconds = {"short": 10.0, "long": 30.0, "middle": 20.0, "urgent": 1.0}
    study = SimpleNamespace(workflow=SimpleNamespace(globals={}), job_dependencies=lambda job: ())
    scheduler = Scheduler(study, None, logging.getLogger("test"))
    scheduler.costs = lambda rule, name: seconds[name]
    waiting = [
        SimpleNamespace(
            rule=SimpleNamespace(name="generation"), wildcards_dict={"system": name},
            priority=2 if name == "urgent" else 1, scheduler_resources={"_cores": 1},
            is_group=lambda: False, input=[],
        )
        for name in seconds
    ]  # fmt: skip
    begun = []
    while waiting:
        (job,) = scheduler.select_jobs(waiting, waiting, {"_cores": 1}, {})
        begun.append(job.wildcards_dict["system"])
        waiting.remove(job)
    assert begun == ["urgent", "long", "middle", "short"]


def test_make_uses_it_on_one_machine_only() -> None:
    words = {}
    for profile in ("local", "slurm"):
        command = ["make", "-n", "study", f"PROFILE={profile}", f"PYTHON={sys.executable}"]
        made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        words[profile] = "--scheduler patient" in made.stdout
    assert words == {"local": True, "slurm": False}
