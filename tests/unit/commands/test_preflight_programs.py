"""The probe imports and compiles for real, and says what does not work."""

from __future__ import annotations

import json
import signal
import stat
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from bayling_study.commands.preflight import probe, programs
from bayling_study.commands.preflight.__main__ import written_sdm
from bayling_study.config.loading import parse_config
from bayling_study.config.model import StudyConfig
from bayling_study.dag.profiles import Profile

PYTHON_H = Path(sysconfig.get_paths()["include"]) / "Python.h"


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes modules that interpreters started here find."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(name: str, code: str) -> str:
        (tmp_path / f"{name}.py").write_text(code)
        return name

    return write


def test_packages_that_import_are_fine(modules: Any) -> None:
    loud = modules("loud", "print('Setting accelerator to CPU'); print(); print('end of setting')")
    assert programs.broken_imports(["json", loud, "csv"]) == {}


def test_a_package_that_is_there_but_does_not_import_is_broken(modules: Any) -> None:
    """``find_spec`` finds it; a missing shared library shows only on import."""
    late = modules("late", "raise OSError('libaio.so.1: cannot open shared object file')")
    found = programs.broken_imports(["json", late, "nowhere_at_all", "csv"])
    assert list(found) == [late, "nowhere_at_all"]
    assert found[late] == "OSError: libaio.so.1: cannot open shared object file"
    assert "No module named" in found["nowhere_at_all"]


def test_an_import_that_kills_its_process_is_named(modules: Any) -> None:
    """As a library with instructions that a node's processor does not have."""
    kill = modules("killer", f"import os; os.kill(os.getpid(), {int(signal.SIGILL)})")
    assert programs.broken_imports(["json", kill, "csv"]) == {
        kill: f"ended with status {-signal.SIGILL}"
    }


def test_an_import_without_end_is_named(modules: Any) -> None:
    slow = modules("slow", "import time; time.sleep(60)")
    assert programs.broken_imports(["json", slow], seconds=2) == {slow: "not imported after 2 s"}


@pytest.mark.skipif(not PYTHON_H.exists(), reason="Python's headers are not installed")
def test_the_compilers_of_this_machine_compile() -> None:
    assert programs.compiler_faults() == []


def test_no_compiler_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.compiler_faults({}) == ["no C compiler", "no C++ compiler"]


def test_headers_that_are_not_there_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {**sysconfig.get_paths(), "include": str(tmp_path)}
    monkeypatch.setattr(sysconfig, "get_paths", lambda: paths)
    (fault,) = programs.compiler_faults({"CPATH": ""})
    assert fault.startswith("C compiler") and "Python.h" in fault


def test_the_compilers_that_are_written_are_tried(tmp_path: Path) -> None:
    broken = tmp_path / "icc"
    broken.write_text("#!/bin/sh\necho 'error: no licence' >&2\nexit 1\n")
    broken.chmod(stat.S_IRWXU)
    faults = programs.compiler_faults({"CC": str(broken), "CXX": str(tmp_path / "nowhere")})
    assert faults[0] == f"C compiler {broken}: error: no licence"
    assert faults[1] == f"C++ compiler {tmp_path / 'nowhere'}: No such file or directory"


def test_the_probe_writes_all_that_is_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: Any
) -> None:
    broken = modules("broken_here", "import nowhere_at_all")
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    (tmp_path / probe.TOKEN).write_text("new")
    options = ["--folder", str(tmp_path), "--out", str(tmp_path / "p.json")]
    monkeypatch.setattr(sys, "argv", ["probe", *options, "--packages", "json", broken])
    probe.main()
    facts = json.loads((tmp_path / "p-n7.json").read_text())
    assert list(facts["broken"]) == [broken]
    assert facts["python"] == sys.executable and facts["token"] == "new"
    assert facts["free_bytes"] > 0 and isinstance(facts["compilers"], list)


def study(tuning: dict[str, Any], **systems: dict[str, Any]) -> StudyConfig:
    plain = {
        "foundation": {"kind": "foundation", "source": "x"},
        "tuned": {"kind": "tuned", "base": "foundation", "mixture": "default"},
    }
    named = {"name": "tiny", "title": "Tiny"}
    values = {"study": named, "tuning": tuning, "systems": plain | systems}
    mixture = {"conversations": 10, "shares": {"general": 1.0}}
    return parse_config({**values, "synthesis": {"mixtures": {"default": mixture}}})


@pytest.mark.parametrize(
    ("tuning", "systems", "more"),
    [
        ({}, {}, []),
        ({"adapter": {"kind": "lora"}}, {}, ["peft"]),
        ({"adapter": {"kind": "qlora"}}, {}, ["peft", "bitsandbytes"]),
        ({}, {"small": {"kind": "int8", "base": "tuned", "format": "gguf"}}, []),
        (
            {},
            {"small": {"kind": "int8", "base": "tuned", "format": "bitsandbytes"}},
            ["bitsandbytes"],
        ),
    ],
)
def test_what_is_imported_is_what_the_study_uses(
    tuning: dict[str, Any], systems: dict[str, Any], more: list[str]
) -> None:
    assert programs.packages(study(tuning, **systems)) == [*programs.PACKAGES, *more]


@pytest.mark.parametrize(
    ("tuning", "compiles"),
    [
        ({}, True),
        ({"attention": "sdpa", "offload": "none"}, False),
        ({"attention": "flex", "offload": "none"}, True),
        ({"attention": "sdpa", "offload": "optimizer"}, True),
    ],
)
def test_training_that_compiles_is_known(tuning: dict[str, Any], compiles: bool) -> None:
    assert programs.needs_compiler(study(tuning)) is compiles


@pytest.mark.parametrize(
    ("values", "sdm"),
    [
        ({}, ""),
        ({"software-deployment-method": "conda"}, "conda"),
        ({"software-deployment-method": ["conda", "apptainer"]}, "conda"),
        ({"sdm": "apptainer"}, "apptainer"),
        ({"use-conda": True}, "conda"),
    ],
)
def test_a_profile_tells_what_rules_run_in(values: dict[str, Any], sdm: str) -> None:
    assert written_sdm(Profile(Path("p"), "slurm", values)) == sdm
