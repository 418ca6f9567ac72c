"""What a training on cores keeps of the sizes that it has computed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bayling_study.stages.tuning.launcher import environment
from bayling_study.stages.tuning.memory import PREPARED

LEFT = """
import ctypes

import torch

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena a b c d e f used free top".split()]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
weight = torch.zeros(512, 256, dtype=torch.bfloat16)
for length in range(1, 602):
    if length == 2:
        before = libc.mallinfo2().used
    torch.nn.functional.linear(torch.zeros(length, 256, dtype=torch.bfloat16), weight)
print(libc.mallinfo2().used - before)
"""


def left(variables: dict[str, str]) -> int:
    """Returns the bytes that products of 600 sizes leave in the heap."""
    command = [sys.executable, "-c", LEFT]
    done = subprocess.run(command, env=variables, check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="mallinfo2 is glibc's")
def test_sizes_of_earlier_steps_are_not_kept(tmp_path: Path) -> None:
    ours = environment(1, tmp_path)
    unlimited = left({name: value for name, value in ours.items() if name not in PREPARED})
    if unlimited < 20 << 20:
        pytest.skip("this processor's products of 16 bits are not oneDNN's")
    assert left(ours) < unlimited / 3


def test_a_limit_of_the_user_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PREPARED:
        monkeypatch.setenv(name, "7")
    assert all(environment(1, tmp_path)[name] == "7" for name in PREPARED)
    for name in PREPARED:
        monkeypatch.delenv(name)
    assert {name: environment(1, tmp_path)[name] for name in PREPARED} == PREPARED
    assert not PREPARED.keys() & os.environ.keys()
