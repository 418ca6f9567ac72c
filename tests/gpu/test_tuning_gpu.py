"""What needs a CUDA device: ``python -m pytest -m gpu tests/gpu``.

Short forms of ``tests/bench/gpu_tuning.py``, which prints the numbers of longer
runs. Skipped where there is no GPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers import ROOT

GIB = 1 << 30
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


def bench(folder: Path, *arguments: str) -> dict[str, Any]:
    out = folder / "numbers.json"
    paths = os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "tests")])
    command = [sys.executable, str(ROOT / "tests" / "bench" / "gpu_tuning.py")]
    command += ["--work", str(folder), "--out", str(out), *arguments]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": paths})
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def needs(gigabytes: float) -> None:
    total = torch.cuda.get_device_properties(0).total_memory / GIB
    if total < gigabytes:
        pytest.skip(f"the GPU has {total:.0f} GiB, this needs {gigabytes}")


def test_kernels_take_the_same_steps(tmp_path: Path) -> None:
    """Flex attention's blocks and SDPA's full mask: the same losses but for bf16's rounding."""
    losses = {}
    for kernel in ("sdpa", "flex"):
        folder = tmp_path / kernel
        bench(folder, "--shape", "tiny", "--steps", "6", "--set", f"attention={kernel}")
        events = next(folder.glob("*/events.jsonl")).read_text().splitlines()
        points = [json.loads(line) for line in events]
        losses[kernel] = [p["values"]["loss"] for p in points if p["event"] == "step"]
    assert losses["flex"] == pytest.approx(losses["sdpa"], abs=5e-3)


@pytest.mark.parametrize("length", [1024, 2048])
def test_a_model_that_fits_uses_the_device_well(tmp_path: Path, length: int) -> None:
    """At least 45 % of the dense bf16 peak of one H100 (issue 5, speed)."""
    needs(70)
    numbers = bench(tmp_path, "--shape", "1.3b", "--length", str(length), "--batch", "64")
    used = numbers["model_flops_utilisation"]
    if used is None:
        pytest.skip(f"the peak of {numbers['device']} is not known")
    assert used >= 0.45


def test_a_7b_shape_trains_on_one_gpu_with_offload(tmp_path: Path) -> None:
    """The plan's memory is the measured one within a fifth."""
    needs(70)
    numbers = bench(tmp_path, "--shape", "7b", "--steps", "5", "--warm-up", "2")
    assert numbers["plan"]["offload"] != "none"
    assert numbers["memory_measured_gib"] == pytest.approx(numbers["memory_planned_gib"], rel=0.2)
