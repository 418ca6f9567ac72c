"""The folder of findings: one script and one row each, pinned packages, nothing of this project."""

from __future__ import annotations

import re

import pytest

from helpers import ROOT

FOLDER = ROOT / "findings"
SCRIPTS = sorted(path for path in FOLDER.glob("*.sh") if path.stem not in ("common", "run"))


def rows() -> list[list[str]]:
    """Returns the cells of the table's rows."""
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    table = [line for line in lines if line.startswith("| [")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def test_every_script_has_one_row_and_every_row_a_script():
    names = [re.match(r"\[(.+)\]\((.+)\)$", row[0]) for row in rows()]
    assert [f"{name[1]}.sh" for name in names if name] == [path.name for path in SCRIPTS]
    assert all(name and name[2] == f"{name[1]}.sh" for name in names)
    assert all(len(row) == 5 and all(row) for row in rows())


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_pins_what_it_installs_and_uses_nothing_of_this_project(path):
    text = path.read_text(encoding="utf-8")
    assert re.match(r"#!/usr/bin/env bash\n# \S.*\n", text), "the head says what it is about"
    installed = re.findall(r"^packages (.+)$", text.replace("\\\n", " "), re.MULTILINE)
    assert installed, "packages NAME==VERSION …"
    assert all(re.search("==|^--", word) for line in installed for word in line.split())
    assert "bayling_study" not in text
