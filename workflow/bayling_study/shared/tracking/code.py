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

from bayling_study.core.files import sha256_file, sha256_listing, write_text

PACKAGE = "bayling_study"
ROOT = Path(__file__).resolve().parents[3]
TABLES = {".tsv", ".yaml", ".md"}
COUNTED = {".py", ".html", ".css", ".js", *TABLES}
PLUGINS = "own"  # packages of that name import all of their modules by themselves
NEUTRAL = {
    *(ROOT / PACKAGE / "config", ROOT / PACKAGE / "shared" / "tracking"),
    *(ROOT / PACKAGE / "core" / name for name in ("errors.py", "cli.py", "progress.py")),
    *(ROOT / PACKAGE / "core" / name for name in ("lookup.py", "credentials.py")),
}
"""Folders and modules that cannot change a result."""
KEPT = Path(cache_from_source(__file__)).with_suffix(".json")
"""The hashes found, beside Python's bytecode: parsing all modules takes 1.3 s of CPU time at every
start of Snakemake, 0.4 at a job's; hashing their bytes 0.05."""


@cache
def code_hash(module: str) -> str:
    """Returns 16 hex digits over the sources of a module, or of all modules of a package such as
    ``bayling_study.stages.tuning``, and of all project modules they import."""
    state, kept = _state(), dict[str, str]()
    with suppress(OSError, ValueError, LookupError, TypeError):  # none, damaged, of another state
        kept |= json.loads(KEPT.read_bytes())[state]
    if module not in kept:
        kept[module] = _hash(module)
        if _state.__wrapped__() == state:  # nobody has edited a file meanwhile
            with suppress(OSError):
                write_text(KEPT, json.dumps({state: kept}))
    return kept[module]


@cache
def _state() -> str:
    files = (path for path in sorted((ROOT / PACKAGE).rglob("*")) if path.suffix in COUNTED)
    return sha256_listing({path.relative_to(ROOT).as_posix(): sha256_file(path) for path in files})


def _hash(module: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(_closure(module)):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(_content(path))
    return digest.hexdigest()[:16]


@cache
def _content(path: Path) -> bytes:
    """Returns what of a file can change a result: of a module, its tree without words about it."""
    if path.suffix != ".py":
        return path.read_bytes()
    return _plain(_tree(path.read_text(encoding="utf-8"))).encode()


_tree = cache(ast.parse)
"""By the text and not by the file, which may be edited while the workflow is read."""


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


def _closure(module: str) -> set[Path]:
    pending = _entry_files(module)
    seen: set[Path] = set()
    while pending:
        path = pending.pop()
        if path not in seen and not NEUTRAL & {path, *path.parents}:
            seen.add(path)
            # A module reads the tables and texts that lie beside it under its own name.
            tables = {path.with_suffix(suffix) for suffix in TABLES}
            pending |= (_imports(path) | tables & set(path.parent.iterdir())) - seen
    return seen


def _entry_files(module: str) -> set[Path]:
    """Returns a module's file, or every file of a package, some of which a stage loads by name:
    without packages inside it that are programs of their own."""
    base = ROOT / Path(*module.split("."))
    if not base.is_dir():
        return {base.with_suffix(".py")}
    programs = {path.parent for path in base.rglob("__main__.py")} - {base}
    files = {path for path in base.rglob("*") if path.suffix in COUNTED - TABLES}
    return {path for path in files if not programs & set(path.parents)}


@cache
def _imports(path: Path) -> set[Path]:
    """Returns the project files that a source imports, anywhere in it."""
    if path.suffix != ".py":
        return set()
    found: set[Path] = set()
    for node in ast.walk(_tree(path.read_text(encoding="utf-8"))):
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
        return set(base.glob("*.py" if base.name == PLUGINS else "__init__.py"))
    return {file for file in (base.with_suffix(".py"),) if file.exists()}
