"""The interpreter that the shell commands of rules find, and how its threads wait."""

import os
import sys
from pathlib import Path

from bayling_study.shared.tracking.code import ROOT

SPINS = "1000"
"""How often a thread of GNU OpenMP looks for work before it sleeps. By default it looks for
milliseconds, and where others use the cores too it keeps them from the threads that have the work:
with a busy process on each of two cores, training a 135M model made 12 tokens per second; with this
192, and on idle cores 399 in place of 334 (torch 2.13, 512 tokens a step)."""


def use_this_interpreter() -> None:
    """Lets the shell commands of rules find this package and, first, this interpreter. Their
    threads wait as ``SPINS`` says, unless the user's environment does."""
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
        os.environ["GOMP_SPINCOUNT"] = SPINS
    os.environ["PYTHONPATH"] = str(ROOT)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
