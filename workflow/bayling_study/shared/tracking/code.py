"""The hash of the code that a stage runs.

Snakemake reruns a job when its parameters change. A stage's parameters carry this hash, so that
editing packing reruns tuning and not scoring, and editing the README reruns nothing. It is taken of
syntax trees without docstrings and comments: words rerun nothing. Modules that cannot change a
result do not count: what ``config`` decides reaches a stage as values in its settings file, whose
name carries their hash; records, messages, command lines and progress never reach a result.
"""

import ast
import hashlib
import json
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from bayling_study.core.files import write_text

PACKAGE = "bayling_study"
ROOT = Path(__file__).resolve().parents[3]
PLUGINS = "own"
"""Packages of that name import all of their modules by themselves."""
_NEUTRAL_CORE = ("errors.py", "cli.py", "progress.py", "lookup.py", "credentials.py")
NEUTRAL = (
    *(f"{PACKAGE}/config/", f"{PACKAGE}/shared/tracking/"),
    *(f"{PACKAGE}/core/{name}" for name in _NEUTRAL_CORE),
)
"""Folders and modules that cannot change a result."""
KEPT = Path(cache_from_source(__file__)).with_suffix(".json")
"""What was read of each module, beside Python's bytecode. Without it the hashes of all stages take
1.3 seconds of every start of Snakemake and some of every job's, with it 0.1 (one core, 2024)."""
READER = hashlib.sha256(Path(__file__).read_bytes())
"""What is kept was read by this very module."""


@cache
def code_hash(module: str) -> str:
    """Returns 16 hex digits over the sources of a module, or of all modules of a package such as
    ``bayling_study.stages.tuning``, and of all project modules they import."""
    names = sorted(_closure(module))
    listed = "".join(f"{name}\0{_content(name)}\n" for name in names)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


@cache
def _content(name: str) -> str:
    """Returns the hash of what of a file can change a result: of a module without words about it,
    of a page or table all."""
    if name in _modules():
        return str(_modules()[name]["content"])
    return hashlib.sha256((ROOT / name).read_bytes()).hexdigest()


@cache
def _modules() -> dict[str, dict[str, Any]]:
    """Returns of each module of the package, by its path below ``ROOT``, the hash of its bytes and
    of its ``content``, and the names that it ``imports``. Only of modules that differ from what is
    kept the source is parsed; it is kept where files can be written."""
    kept: dict[str, dict[str, Any]] = {}
    with suppress(OSError, ValueError):  # none yet, or a damaged one
        kept = dict(json.loads(KEPT.read_bytes()) or {})
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        name, text = path.relative_to(ROOT).as_posix(), path.read_bytes()
        mark = READER.copy()
        mark.update(text)
        old = kept.get(name, {})
        same = old.get("source") == mark.hexdigest()
        found[name] = old if same else {"source": mark.hexdigest(), **_described(text)}
    if found != kept:
        with suppress(OSError):
            write_text(KEPT, json.dumps(found))
    return found


def _described(source: bytes) -> dict[str, Any]:
    """Returns what ``_modules`` tells of a module's source."""
    tree = ast.parse(source)
    content = hashlib.sha256(_plain(tree).encode()).hexdigest()
    return {"content": content, "imports": _imports(tree)}


def _plain(node: object) -> str:
    """Writes a syntax tree; empty fields are left out, since Python versions differ in them."""
    if isinstance(node, ast.AST):
        fields = [
            f"{name}={_plain(value)}"
            for name, value in ast.iter_fields(node)
            if value not in (None, []) and name not in ("type_comment", "kind")
        ]
        return f"{type(node).__name__}({','.join(fields)})"
    if isinstance(node, list):
        return f"[{','.join(_plain(item) for item in node if not _is_docstring(item))}]"
    return repr(node)


def _is_docstring(node: object) -> bool:
    """Tells whether a statement is a text that stands by itself."""
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _closure(module: str) -> set[str]:
    pending = _entry_files(module)
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in seen and not name.startswith(NEUTRAL):
            seen.add(name)
            pending |= _needs(name) - seen
    return seen


def _entry_files(module: str) -> set[str]:
    """Returns a module's file, or every file of a package, some of which a stage loads by name:
    without packages inside it that are programs of their own."""
    base = ROOT / Path(*module.split("."))
    if not base.is_dir():
        return {base.with_suffix(".py").relative_to(ROOT).as_posix()}
    programs = {path.parent for path in base.rglob("__main__.py")} - {base}
    files = (path for path in base.rglob("*") if path.suffix in {".py", ".html", ".css", ".js"})
    return {p.relative_to(ROOT).as_posix() for p in files if not programs & set(p.parents)}


@cache
def _needs(name: str) -> set[str]:
    """Returns the project files that a file imports, and the tables that lie beside it under its
    own name: a module reads them."""
    imported = _modules().get(name, {"imports": ()})["imports"]
    tables = {(ROOT / name).with_suffix(suffix) for suffix in (".tsv", ".yaml")}
    beside = {path.relative_to(ROOT).as_posix() for path in tables if path.is_file()}
    return beside.union(*map(_resolve, imported))


def _imports(tree: ast.Module) -> list[str]:
    """Returns the names of the package that a module imports, anywhere in it."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return sorted({name for name in found if name.split(".")[0] == PACKAGE})


@cache
def _resolve(name: str) -> set[str]:
    base = name.replace(".", "/")
    if base.endswith(f"/{PLUGINS}"):
        return {name for name in _modules() if name.rpartition("/")[0] == base}
    return {f"{base}.py", f"{base}/__init__.py"} & _modules().keys()
