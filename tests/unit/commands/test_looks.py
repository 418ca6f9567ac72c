"""Commands that only look are quick: they import what they need."""

import os
import subprocess
import sys

import pytest

from helpers import ROOT

LOOKS = (
    *("plan.__main__", "status.__main__", "why.__main__", "ranking.__main__", "preflight.__main__"),
    *("compare.__main__", "share", "summary"),
)
SLOW = ("torch", "transformers", "scipy", "mlflow", "pandas", "datasets")
"""Libraries whose import takes a second or more."""


@pytest.mark.parametrize("module", LOOKS)
def test_a_look_imports_no_slow_library(module):
    code = f"import sys, bayling_study.commands.{module}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"bayling_study.commands.{module}" in said.stdout.split()
    assert not {*SLOW} & {*said.stdout.split()}


def test_a_whole_plan_imports_no_torch_once_the_machine_is_measured(tmp_path):
    code = (
        "import sys\n"
        "from bayling_study.commands.plan import __main__ as plan, machine\n"
        "machine.gpu_here = lambda: False\n"
        "sys.argv = ['plan', '--study-config', 'config/config.yaml']\n"
        "plan.main()\n"
        "print(*sys.modules)\n"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    for _ in range(2):
        said = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
    assert "Training is planned for: this machine, no GPU" in said.stdout, said.stderr
    assert not {*SLOW} & {*said.stdout.splitlines()[-1].split()}
