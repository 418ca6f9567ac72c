"""No test passes because a loop with its assertions had nothing to go through."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import ROOT

TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
WRAPPERS = {"enumerate", "zip", "sorted", "reversed", "list", "range"}
"""Functions whose result is as long as what they are given (``range``: as its numbers say)."""
CHECKS = {"raises", "warns", "fail"}
"""Functions of pytest that fail a test, beside those whose name begins with ``assert``."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[Function]:
    """Yields the test functions of a module, those of classes too."""
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.name.startswith("test_"):
            yield node


def name_of(node: ast.expr) -> str:
    """Returns the last part of a name, ``raises`` of ``pytest.raises``."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def checks(node: ast.AST) -> bool:
    """Tells whether a node itself can fail the test."""
    if isinstance(node, ast.Call):
        name = name_of(node.func)
        return name in CHECKS or name.startswith("assert")
    return isinstance(node, ast.Assert)


def is_given(node: ast.expr, known: set[str]) -> bool:
    """Tells whether what a loop goes through stands in the test's own text.

    Args:
        node: what the loop goes through.
        known: names of parameters and of literals that were given a name in the test.
    """
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return any(not isinstance(item, ast.Starred) for item in node.elts)
    if isinstance(node, ast.Dict | ast.Constant):
        return True
    if isinstance(node, ast.Name):
        return node.id.isupper() or node.id in known
    if isinstance(node, ast.Attribute):
        return node.attr.isupper()
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("items", "values", "keys"):
        return is_given(node.func.value, known)
    given = [is_given(argument, known) for argument in node.args]
    return name_of(node.func) in WRAPPERS and bool(given) and all(given)


def known_names(function: Function) -> set[str]:
    """Returns the parameters that pytest fills with given values, and names of literals."""
    known = set()
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and name_of(decorator.func) == "parametrize":
            known |= {
                name.strip()
                for node in ast.walk(decorator.args[0])
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
                for name in node.value.split(",")
            }
    for node in function.body:
        if isinstance(node, ast.Assign) and is_given(node.value, known):
            known |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return known


def split_checks(node: ast.AST, known: set[str], looped: bool = False) -> tuple[int, int]:
    """Returns how many assertions stand outside and inside of loops over something computed."""
    outside, inside = 0, 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda):
            continue  # whether it is called is another question
        computed = isinstance(child, ast.For) and not is_given(child.iter, known)
        more = split_checks(child, known, looped or computed)
        here = checks(child)
        outside += more[0] + int(here and not looped)
        inside += more[1] + int(here and looped)
    return outside, inside


def vacuous(text: str) -> list[str]:
    """Returns the tests of a module that would pass if their loops had nothing to go through."""
    found = []
    for function in functions(ast.parse(text)):
        outside, inside = split_checks(function, known_names(function))
        if inside and not outside:
            found.append(function.name)
    return found


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_assertions_do_not_all_stand_in_a_loop_that_may_be_empty(path: Path) -> None:
    assert vacuous(path.read_text(encoding="utf-8")) == [], "assert that the loop ran"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("for x in find():\n  assert x", True),
        ("for x in find().items():\n  assert x", True),
        ("for x in [*find()]:\n  assert x", True),
        ("for x in find():\n  for y in (1, 2):\n    assert x", True),
        ("for x in find():\n  with pytest.raises(ValueError):\n    x()", True),
        ("for x in find():\n  assert x\ndef later():\n  assert 1", True),
        ("for x in zip((1, 2), find()):\n  assert x", True),
        ("rows = find()\nfor x in rows:\n  assert x\nassert rows", False),
        ("for x in (1, 2):\n  assert x", False),
        ("for x in NAMES:\n  assert x", False),
        ("for x in given:\n  assert x", False),
        ("rows = {1: 2}\nfor x, y in rows.items():\n  assert x", False),
        ("for x in range(3):\n  assert x", False),
        ("find()", False),
    ],
)
def test_what_counts_as_a_loop_that_may_be_empty(body: str, found: bool) -> None:
    lines = "".join(f"  {line}\n" for line in body.splitlines())
    text = f'@pytest.mark.parametrize("given", [[1]])\ndef test_it(given):\n{lines}'
    assert (vacuous(text) == ["test_it"]) is found
