"""Commands that only look are quick: they import what they need."""

import subprocess
import sys

import pytest

from bayling_study.commands.plan import machine
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


def test_the_plan_asks_torch_only_where_a_gpu_may_be(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "GPU_FILES", (str(tmp_path / "nvidia*"),))
    monkeypatch.setattr(machine, "gpu_bytes", lambda: [80 << 30, 40 << 30])
    assert machine.this_machine(None).device_bytes is None
    (tmp_path / "nvidia0").touch()
    found = machine.this_machine(None)
    assert (found.processes, found.device_bytes) == (2, 40 << 30)
    assert found.name == "this machine, 2 GPUs of 40 GiB"


def test_a_whole_plan_imports_no_torch(monkeypatch):
    code = (
        "import sys\n"
        "from bayling_study.commands.plan import __main__ as plan, machine\n"
        "machine.GPU_FILES = ()\n"
        "sys.argv = ['plan', '--study-config', 'config/config.yaml']\n"
        "plan.main()\n"
        "print(*sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "Training is planned for: this machine, no GPU" in said.stdout, said.stderr
    assert not {*SLOW} & {*said.stdout.splitlines()[-1].split()}
