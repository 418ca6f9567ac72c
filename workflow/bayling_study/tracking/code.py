"""The hash of the code that a stage runs.

Snakemake reruns a job when its parameters change. A stage's parameters carry
this hash, so that editing packing reruns tuning and not scoring, and editing
the README reruns nothing. ``config`` and ``tracking`` do not count: what they
decide reaches a stage as values in its settings file, whose name carries their
hash, and a record never changes a result.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "bayling_study"
ROOT = Path(__file__).resolve().parents[2]
NEUTRAL = {ROOT / PACKAGE / "config", ROOT / PACKAGE / "tracking"}


@cache
def code_hash(module: str) -> str:
    """Returns 16 hex digits over the sources of a module and all project modules it imports.

    Args:
        module: dotted name such as ``bayling_study.tuning``; for a package, all
            of its own modules count.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(module)):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _closure(module: str) -> set[Path]:
    pending = _entry_files(module)
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        if path not in seen and not NEUTRAL & set(path.parents):
            seen.add(path)
            pending |= _imports(path) - seen
    return seen


def _entry_files(module: str) -> set[Path]:
    """Returns a module's file, or every file of a package: a stage loads some by name.

    A package inside it that is a program of its own does not belong to it.
    """
    base = ROOT / Path(*module.split("."))
    if not base.is_dir():
        return {base.with_suffix(".py")}
    programs = {path.parent for path in base.rglob("__main__.py")} - {base}
    files = {path for path in base.rglob("*") if path.suffix in {".py", ".html", ".css", ".js"}}
    return {path for path in files if not programs & set(path.parents)}


@cache
def _imports(path: Path) -> set[Path]:
    """Returns the project files that a source imports, anywhere in it."""
    if path.suffix != ".py":
        return set()
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {file for name in names for file in _resolve(name)}
    return found


def _resolve(name: str) -> set[Path]:
    if name.split(".")[0] != PACKAGE:
        return set()
    base = ROOT / Path(*name.split("."))
    if base.is_dir():
        return {base / "__init__.py"} & set(base.iterdir())
    return {file for file in (base.with_suffix(".py"),) if file.exists()}
