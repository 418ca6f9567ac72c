"""The reference study that all faults start from, and the table of faults and outcomes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.sandbox import COMET, Sandbox

OUTCOMES = pytest.StashKey[dict[str, tuple[str, str, str]]]()
"""Of each fault: the outcome of its test, what is expected, what was seen."""
FEWEST = 200
"""Distinct faults that a full run tries, of 256; without a C compiler 35 are skipped."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[OUTCOMES] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    fault = item.get_closest_marker("fault")
    if fault and (report.when == "call" or report.outcome != "passed"):
        callspec = getattr(item, "callspec", None)
        name = fault.args[0].format(**(callspec.params if callspec else {}))
        told = report.longrepr[-1] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        seen = "as expected" if report.passed else told.strip().splitlines()[-1]
        item.config.stash[OUTCOMES][name] = (report.outcome, expected(item), seen)
    return report


def expected(item: pytest.Item) -> str:
    """Returns what a test is named after, in words: what must happen."""
    return getattr(item, "originalname", item.name).removeprefix("test_").replace("_", " ")


def faults_run(config: pytest.Config) -> list[str]:
    """Returns the faults that were tried; one that was skipped was not."""
    return [name for name, (outcome, *_) in config.stash[OUTCOMES].items() if outcome != "skipped"]


def is_full_run(config: pytest.Config) -> bool:
    """Tells whether all faults were asked for, as `make test-faults` does."""
    chosen = [config.rootpath / argument for argument in config.args]
    everything = not (config.option.markexpr or config.option.keyword or config.option.collectonly)
    return everything and Path(__file__).parent in chosen


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a full run in which most faults were skipped."""
    if is_full_run(session.config) and len(faults_run(session.config)) < FEWEST:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    outcomes = config.stash[OUTCOMES]
    if not outcomes:
        return
    terminalreporter.section("faults: what was done, what is expected, what was seen")
    for name, (outcome, wanted, seen) in outcomes.items():
        terminalreporter.write_line(f"  {outcome.upper():<8} {name} | {wanted} | {seen}")
    count = len(faults_run(config))
    terminalreporter.write_line(f"  {count} distinct faults")
    if is_full_run(config) and count < FEWEST:
        terminalreporter.write_line(f"  NOT A FULL RUN: fewer than {FEWEST} faults were tried")


def save_often(config: dict) -> None:
    """Makes the training write a checkpoint after every step."""
    config["tuning"]["checkpoint_minutes"] = 0.0001


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Returns the undisturbed study."""
    if not COMET.exists():
        pytest.skip("the environment 'comet' is missing: make envs")
    sandbox = Sandbox.make(tmp_path_factory.mktemp("reference"), save_often)
    status, output = sandbox.run()
    assert status == 0, output[-6000:]
    return sandbox


@pytest.fixture
def sandbox(reference: Sandbox, tmp_path: Path) -> Sandbox:
    """Returns a copy of the finished study."""
    return reference.clone(tmp_path / "study")


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the library that makes a machine fail; see ``shim.c``."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library
