"""The house of the package: who may import whom, how long modules are, who prints."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx
import pytest

from helpers import ROOT

PACKAGE = "bayling_study"
SOURCE = ROOT / "workflow" / PACKAGE
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST = 350

FLOORS = ("core", "config", "shared", "stages", "dag", "commands")
"""The folders of the package: each imports only what stands before it in this list."""

PRINTING = {
    "commands": "their output is what was asked for",
    "core/cli.py": "the one-line error",
    "core/progress.py": "lines of progress in a log",
    "dag/devices.py": "which GPUs the job has",
    "dag/exclusive.py": "what a killed run left behind",
    "shared/tracking/__main__.py": "the command's answer",
    "stages/tuning/__main__.py": "the plan and the end of a training",
    "stages/tuning/launcher.py": "the output of the ranks",
    "stages/tuning/node.py": "the output of a node's ranks",
    "stages/tuning/worker.py": "progress lines that the launcher reads",
}
"""Files and folders whose words are for people; all else uses ``logging``."""

COMET_PACKAGES = {
    "comet": "unbabel-comet",
    "yaml": "pyyaml",
    "pytorch_lightning": "pytorch-lightning",
}
"""Distributions whose module has another name."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Yields the dotted names a module imports, anywhere in it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if file_of(name) else node.module


def file_of(name: str) -> Path | None:
    """Returns the source of a module of this project."""
    base = SOURCE.parent / Path(*name.split("."))
    files = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in files if file.is_file()), None) if PACKAGE in name else None


def place(path: Path) -> tuple[str, str]:
    """Returns the floor and the package or module on it that a file belongs to."""
    floor, *rest = path.relative_to(SOURCE).with_suffix("").parts
    return floor, rest[0] if rest else ""


def crossings() -> Iterator[tuple[Path, Path]]:
    """Yields (importing file, imported file) of this project, the package's root left out."""
    for path in MODULES:
        for name in imports(path):
            file = file_of(name)
            if file is not None and file != SOURCE / "__init__.py":
                yield path, file


def test_the_package_has_six_floors():
    folders = {path.name for path in SOURCE.iterdir() if any(path.rglob("*.py"))}
    assert folders == set(FLOORS)
    assert [path.name for path in SOURCE.glob("*.py")] == ["__init__.py"]


def test_imports_go_down_and_no_stage_imports_another():
    wrong = []
    seen = 0
    for path, file in crossings():
        (floor, unit), (other_floor, other_unit) = place(path), place(file)
        seen += 1
        up = FLOORS.index(other_floor) > FLOORS.index(floor)
        if up or (floor == other_floor == "stages" and unit != other_unit):
            wrong.append(f"{path.relative_to(SOURCE)} imports {file.relative_to(SOURCE)}")
    assert not wrong and seen > 1000


@pytest.mark.parametrize("floor", FLOORS)
def test_packages_of_a_floor_do_not_import_each_other_in_a_circle(floor):
    graph = networkx.DiGraph(
        (place(path)[1], place(file)[1])
        for path, file in crossings()
        if place(path)[0] == place(file)[0] == floor and place(path)[1] != place(file)[1]
    )
    assert not list(networkx.simple_cycles(graph))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_it_is_and_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
    assert ast.get_docstring(tree(path))


def test_only_programs_that_talk_to_people_print():
    printing = {
        path.relative_to(SOURCE)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    }
    allowed = {Path(name) for name in PRINTING}
    assert not {path for path in printing if not allowed & {path, *path.parents}}
    assert all(any(name in {path, *path.parents} for path in printing) for name in allowed)


def comet_closure() -> set[Path]:
    """Returns the sources that run in the comet environment."""
    pending = set((SOURCE / "stages" / "comet").rglob("*.py")) - {
        SOURCE / "stages" / "comet" / "segments.py"
    }
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        seen.add(path)
        parts = [name.split(".") for name in imports(path)]
        names = {".".join(p[:end]) for p in parts for end in range(1, len(p) + 1)}
        pending |= {file for name in names if (file := file_of(name))} - seen
    return seen


def test_what_runs_in_the_comet_environment_needs_only_that():
    lock = (ROOT / "envs" / "comet.lock").read_text(encoding="utf-8")
    locked = {*re.findall(r"(?m)^([\w.-]+)==", lock), "torch"}
    closure = comet_closure()
    assert SOURCE / "core" / "files.py" in closure
    foreign = {
        (str(path.relative_to(SOURCE)), top)
        for path in closure
        for top in {name.split(".")[0] for name in imports(path)}
        if top not in sys.stdlib_module_names | {PACKAGE}
        and COMET_PACKAGES.get(top, top) not in locked
    }
    assert not foreign
