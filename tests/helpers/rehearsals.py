"""Runs a rehearsal as ``make rehearse`` does: its configuration, the ordinary run, its page."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from helpers import ROOT
from helpers.programs import SNAKEMAKE, run_snakemake, server
from helpers.stand_ins import variables


def rehearse(
    config: Path, cwd: Path, more: Mapping[str, str] | None = None
) -> tuple[int, str, Path]:
    """Returns the run's exit status and words, and the folder with what it left.

    All but the program that writes the configuration are forks that have their imports
    (``stand_ins.lay_out`` has made the folder). ``more`` are variables of its environment.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"HF_HUB_OFFLINE": "1", **variables(cwd), **(more or {})}
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    program = [sys.executable, "-m", "bayling_study.commands.rehearse"]
    program += ["--study-config", str(config)]
    written = subprocess.run(program, cwd=cwd, env=environment, text=True, capture_output=True)
    assert written.returncode == 0, written.stderr
    overlay = Path(written.stdout.strip())
    options = (
        "--cores",
        "2",
        "--keep-going",
        "--show-failed-logs",
        "--configfile",
        str(config),
        str(overlay),
    )
    ran = run_snakemake(*options, cwd=cwd, env=environment)
    page = server(SNAKEMAKE).run([*program, "--page"], environment, cwd)
    assert page.returncode == 0, page.stderr
    words = ran.stdout[-3000:] + ran.stderr[-20000:] + page.stdout
    return ran.returncode, words, cwd / overlay.with_suffix("")
