"""What must not end the last job of a study, nor run or end what is not the study's."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bayling_study.commands import summary
from bayling_study.core.records import Score, write_scores
from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.collect import Study
from helpers import report_study
from helpers.bundles import as_folder, as_link, packed_study, unpacked
from helpers.sandbox import Sandbox, job_of

pytestmark = pytest.mark.long

LANGUAGES = ("cs", "da", "de", "es", "fi", "fr", "it")
DIRECTIONS = [f"{one}-en" for one in LANGUAGES] + [f"en-{one}" for one in LANGUAGES]


def score(item: str, value: float, low: float | None = None, high: float | None = None) -> Score:
    return Score("translation", item, "tuned", "comet-embedded", value, low, high, 1, "v:1")


VALUES = {
    "an interval that misses its value by rounding": [
        score("zh-en", 28.8, 28.800000000000004, 28.800000000000004)
    ],
    "an interval that misses its value": [score("zh-en", 10.0, 20.0, 30.0)],
    "an interval without width": [score("zh-en", 10.0, 10.0, 10.0)],
    "an untrained COMET, below zero in every direction": [
        score(item, -1.5, -2.0, -1.0) for item in DIRECTIONS
    ],
    "one system alone, 0 in every direction": [score(item, 0.0, 0.0, 0.0) for item in DIRECTIONS],
}


@pytest.mark.fault("the report of {what}")
@pytest.mark.parametrize("what", VALUES)
def test_the_report_is_whole_on_any_value(tmp_path, what):
    made = report_study.make(tmp_path / "study")
    for system in report_study.SYSTEMS:
        path = made.folder / f"scoring/{system}/translation.json"
        write_scores(path, VALUES[what] if system == "tuned" else [])
    study = Study(made.folder, made.config)
    write_report(study, made.folder / "report")
    assert study.missing == {}
    assert "comet-embedded" in (made.folder / "report" / "index.html").read_text(encoding="utf-8")


def customised(folder: Path, code: str) -> str:
    """Writes what every Python of a job does first; returns the line that makes a job do it."""
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return f"export PYTHONPATH='{folder}':\"$PYTHONPATH\""


BREAK_THE_TIMELINE = """
import matplotlib.axes


def broken(*arguments, **more):
    raise ZeroDivisionError("a fault of the code")


matplotlib.axes.Axes.barh = broken
"""


@pytest.mark.fault("a figure of the report that cannot be drawn")
def test_a_report_without_one_block_says_so_and_the_study_ends_well(
    reference, sandbox, tmp_path, capsys
):
    target = sandbox.drop("report")
    strike = sandbox.strike("report", customised(tmp_path, BREAK_THE_TIMELINE))
    status, output = sandbox.run(target, **strike)
    assert status == 0, output[-3000:]
    page = (sandbox.study / "report" / "index.html").read_text(encoding="utf-8")
    assert "Missing from this report" in page
    assert "chapter: jobs" in page
    assert "Traceback" in sandbox.log("report")
    assert "ZeroDivisionError: a fault of the code" in sandbox.log("report")
    assert sandbox.hash(target) == reference.hash(target)
    summary.show(sandbox.study)
    said = capsys.readouterr().out
    assert "Caution: the report lacks these blocks" in said
    assert "chapter: jobs" in said


@pytest.mark.fault("a new run beside a stage that a person started, after kill -9 of the workflow")
def test_only_the_jobs_of_the_killed_run_are_ended(tmp_path):
    sandbox = Sandbox.make(tmp_path / "study")
    sleep = customised(tmp_path, "import time\ntime.sleep(600)\n")
    target = "results/tiny/corpora/parallel.parquet"
    workflow = sandbox.start(target, **sandbox.strike("corpora", sleep))
    job = job_of(workflow, "stages.corpora")
    workflow.kill()
    workflow.wait()  # its output stays open: the job still writes there
    by_hand = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", "bayling_study.stages.masks",
         "--record", "record.json"], cwd=sandbox.root,
    )  # fmt: skip
    status, output = sandbox.run(target)
    assert status == 2, output[-3000:]
    assert f"no workflow of yours started are at work: process {by_hand.pid}" in output
    assert by_hand.poll() is None
    assert job.is_running()
    by_hand.kill()
    by_hand.wait()
    status, output = sandbox.run(target)
    assert status == 0, output[-3000:]
    assert "left 1 processes running" in output
    assert not psutil.pid_exists(job.pid) or job.status() == psutil.STATUS_ZOMBIE


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_study(tmp_path_factory.mktemp("packed"))


BUNDLES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a module that every Python would import": ("workflow/sitecustomize.py", Path.touch),
    "an extra study": ("config/studies/x.yaml", Path.touch),
    "a path file": ("workflow/more.pth", Path.touch),
    "an extra conftest.py": ("conftest.py", Path.touch),
    "a makefile that make prefers": (
        "GNUmakefile", lambda path: path.write_text("include Makefile\n")
    ),
    "bytecode": ("workflow/__pycache__", Path.mkdir),
    "a link in place of a file": ("workflow/bayling_study/core/cli.py", as_link),
    "a link in place of a folder": ("envs", as_link),
    "a folder in place of a file": ("config/config.yaml", as_folder),
    "a file that everybody may change": ("Snakefile", lambda path: path.chmod(0o666)),
}  # fmt: skip


@pytest.mark.fault("{what} in an unpacked bundle")
@pytest.mark.parametrize("what", BUNDLES)
def test_make_verify_names_what_the_bundle_does_not_hold(archive, tmp_path, what):
    there = unpacked(archive, tmp_path)
    name, change = BUNDLES[what]
    change(there / name)
    done = subprocess.run(
        ["make", "verify", f"PYTHON={sys.executable}"],
        cwd=there, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Error 1" in done.stderr
    assert any(line.startswith(f"{name} is ") or line.startswith(f"{name} may ")
               for line in done.stdout.splitlines())  # fmt: skip
    assert "next: make study" not in done.stdout
