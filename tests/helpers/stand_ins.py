"""Folders in which a workflow's jobs are forks of servers (``helpers.programs``).

Snakemake starts them as ever, by a shell; what is ``python`` there asks a server for a fork.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import ROOT
from helpers.programs import COMET, STUDY, server

COMET_PYTHON = ROOT / ".venv" / "comet" / "bin" / "python"
COMET_PROGRAMS = ("bayling_study.stages.comet.training", "bayling_study.stages.comet.score")
STUDY_PROGRAMS = [name.removesuffix(".__main__") for name in STUDY if name.endswith("__main__")]


def stand_in(
    python: Path,
    modules: Sequence[str],
    programs: Sequence[str],
    real: Path | str = sys.executable,
    fresh: bool = False,
) -> None:
    """Writes a ``python`` of which ``python -m PROGRAM`` is a fork of the modules' server.

    With ``fresh``, the first of each program is one that Python itself runs.
    """
    place, first = server(tuple(modules), str(real)).place, ""
    python.parent.mkdir(parents=True, exist_ok=True)
    if fresh:
        first = f"{python}-fresh"
        os.mkdir(first)
    text = (ROOT / "tests" / "helpers" / "as_python.py").read_text(encoding="utf-8")
    values = f"{str(real)!r}, {place!r}, {list(programs)!r}, {first!r}"
    text = f"#!{sys.executable} -IS\nREAL, PLACE, PROGRAMS, FRESH = {values}\n{text}"
    python.write_text(text, encoding="utf-8")
    python.chmod(0o755)


def lay_out(root: Path, fresh: bool = False) -> None:
    """Gives a working folder the repository's configuration, and environments whose programs are
    forks; with ``fresh``, but for the first of each."""
    (root / "config").symlink_to(ROOT / "config")
    stand_in(root / ".venv" / "bin" / "python", STUDY, STUDY_PROGRAMS, fresh=fresh)
    if COMET_PYTHON.exists():
        comet = root / ".venv" / "comet" / "bin" / "python"
        stand_in(comet, COMET, COMET_PROGRAMS, COMET_PYTHON, fresh)
    # The Snakefile puts its own Python first, so the shell of each job has to do it.
    (root / ".venv" / "path.sh").write_text(f'PATH="{root}/.venv/bin:$PATH"\n', encoding="utf-8")


def variables(root: Path) -> dict[str, str]:
    """Returns the variables with which Snakemake's jobs are what ``lay_out`` says."""
    return {
        "PATH": f"{root}/.venv/bin{os.pathsep}{os.environ['PATH']}",
        "BASH_ENV": f"{root}/.venv/path.sh",
    }
