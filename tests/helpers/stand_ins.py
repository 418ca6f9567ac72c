"""Folders in which a workflow's jobs are forks of servers (``helpers.programs``).

Snakemake starts them as ever, by a shell; what is ``python`` there asks a server for a fork.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from helpers import ROOT
from helpers.programs import COMET, DOWNLOADS, HARNESS, OFFLINE, STUDY, Server, server

COMET_PYTHON = ROOT / ".venv" / "comet" / "bin" / "python"
COMET_PROGRAMS = ("bayling_study.stages.comet.training", "bayling_study.stages.comet.score")
STUDY_PROGRAMS = [name.removesuffix(".__main__") for name in STUDY if name.endswith("__main__")]


def stand_in(
    python: Path,
    programs: Mapping[str, Server],
    real: Path | str = sys.executable,
    fresh: bool = False,
) -> None:
    """Writes a ``python`` of which ``python -m PROGRAM`` is a fork of the program's server.

    With ``fresh``, the first of each program is one that Python itself runs.
    """
    places, first = {name: at.place for name, at in programs.items()}, ""
    python.parent.mkdir(parents=True, exist_ok=True)
    if fresh:
        first = f"{python}-fresh"
        os.mkdir(first)
    text = (ROOT / "tests" / "helpers" / "as_python.py").read_text(encoding="utf-8")
    text = f"REAL, PROGRAMS, FRESH = {str(real)!r}, {places!r}, {first!r}\n{text}"
    text = f"#!{sys.executable} -IS\n{text}"
    python.write_text(text, encoding="utf-8")
    python.chmod(0o755)


def lay_out(root: Path, fresh: bool = False, downloads: Mapping[str, str] | None = None) -> None:
    """Gives a working folder the repository's configuration, and environments whose programs are
    forks; with ``fresh``, but for the first of each.

    Downloads and the harness are forks only where the variables that all jobs have are given: their
    libraries read some of these while they are imported.
    """
    (root / "config").symlink_to(ROOT / "config")
    programs = dict.fromkeys(STUDY_PROGRAMS, server(STUDY))
    if downloads is not None:
        programs["bayling_study.stages.download"] = server(DOWNLOADS, more=(*downloads.items(),))
        own = (*{**downloads, **OFFLINE}.items(),)
        programs["bayling_study.stages.harness"] = server(HARNESS, more=own)
    stand_in(root / ".venv" / "bin" / "python", programs, fresh=fresh)
    if COMET_PYTHON.exists():
        programs = dict.fromkeys(COMET_PROGRAMS, server(COMET, str(COMET_PYTHON)))
        stand_in(root / ".venv" / "comet" / "bin" / "python", programs, COMET_PYTHON, fresh)
    # The Snakefile puts its own Python first, so the shell of each job has to do it.
    (root / ".venv" / "path.sh").write_text(f'PATH="{root}/.venv/bin:$PATH"\n', encoding="utf-8")


def variables(root: Path) -> dict[str, str]:
    """Returns the variables with which Snakemake's jobs are what ``lay_out`` says."""
    return {
        "PATH": f"{root}/.venv/bin{os.pathsep}{os.environ['PATH']}",
        "BASH_ENV": f"{root}/.venv/path.sh",
    }
