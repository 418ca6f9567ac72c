"""The house of the package: who may import whom, how long modules are, who prints."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "bayling_study"
SOURCE = ROOT / "workflow" / PACKAGE
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST = 350

STAGES = {
    *("download", "corpora", "synthesis", "suites", "tuning", "export", "generation"),
    "harness",
    *("deltas", "scoring", "report"),
    *("judging", "ranking"),
}
LAYERS: list[set[str]] = [
    {"errors"},
    {"files", "seeds", "lookup", "cli", "rowlog", "reviewing", "credentials"},
    {"languages", "sources"},
    {"records", "config", "tracking", "devices"},
    {"prompting", "chat", "quantised", "endpoint", "sizing"},
    {"interactive", "models", "knowledge"},
    STAGES,
    {"layout", "exclusive", "profiles"},
    {"dag", "talk"},
    {"bundle", "plan", "why"},
    {"compare", "status", "preflight"},
]
"""Modules and packages of ``bayling_study``, the ground first and the workflow last: each
may import what is in a layer before its own."""
EXCEPTIONS = {
    ("deltas", "export.checkpoint"): "both open checkpoints of either format tensor by tensor",
    ("synthesis", "corpora.types"): "names and columns of the tables that both sides agree on",
    ("suites", "corpora.types"): "the same tables, read for their test side",
}
"""Imports from stage to stage that are meant, with the reason."""

PRINTING = {
    "bundle/__main__.py": "what was packed or verified",
    "cli.py": "the one-line error",
    "devices.py": "which GPUs the job has",
    "exclusive.py": "what a killed run left behind",
    "preflight": "its output is the list of checks",
    "status": "its output is the status",
    "download/progress.py": "progress on a terminal",
    "ranking/__main__.py": "the result of a ranking",
    "report/summary.py": "the summary at the end of a study",
    "plan": "its output is the table",
    "why": "it answers",
    "compare/__main__.py": "its output is the comparison",
    "talk": "it talks",
    "tracking/__main__.py": "the command's answer",
    "tuning/__main__.py": "the plan and the end of a training",
    "tuning/launcher.py": "the output of the ranks",
    "tuning/node.py": "the output of a node's ranks",
    "tuning/progress.py": "progress on a terminal",
    "tuning/worker.py": "progress lines that the launcher reads",
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


def unit(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def crossings() -> set[tuple[str, str, str]]:
    """Returns (importing unit, imported unit, imported module), without those inside a unit."""
    found = set()
    for path in MODULES:
        for name in imports(path):
            package, _, inner = name.partition(".")
            other = inner.split(".")[0]
            if package == PACKAGE and other and other != unit(path):
                found.add((unit(path), other, inner))
    return found


def test_every_module_has_a_layer():
    units = {unit(path) for path in MODULES} - {"__init__"}
    assert units == set().union(*LAYERS)
    assert sum(map(len, LAYERS)) == len(units)


def test_imports_go_down():
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    wrong = [
        f"{importer} imports {module}"
        for importer, imported, module in sorted(crossings())
        if level[imported] >= level[importer] and (importer, module) not in EXCEPTIONS
    ]
    assert not wrong


def test_every_exception_is_in_use():
    found = crossings()
    assert set(EXCEPTIONS) <= {(importer, module) for importer, _, module in found}


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
    pending = set((SOURCE / "scoring" / "comet").rglob("*.py"))
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
    assert SOURCE / "files.py" in closure and SOURCE / "scoring" / "__init__.py" in closure
    foreign = {
        (str(path.relative_to(SOURCE)), top)
        for path in closure
        for top in {name.split(".")[0] for name in imports(path)}
        if top not in sys.stdlib_module_names | {PACKAGE}
        and COMET_PACKAGES.get(top, top) not in locked
    }
    assert not foreign
