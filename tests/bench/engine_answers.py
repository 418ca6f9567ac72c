"""Asks another engine in its own environment, and sets its answers beside ours (``engines.py``)."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

SIDES = Path(__file__).parent / "engine_sides"


@dataclass(frozen=True)
class Ours:
    """What this project answers: ids of the answers, first logits, the ids that end one."""

    answers: list[list[int]]
    logits: Any
    stops: list[int]


def ask(python: str, task: dict[str, Any], scratch: Path) -> dict[str, Any] | str:
    """Runs one side; returns what it wrote, or the last line of its complaint."""
    side = "optimum" if task["engine"] in ("onnxruntime", "openvino") else task["engine"]
    values = run_side(python, f"with_{side}.py", task, scratch)
    if isinstance(values, str):
        return values
    return values | {"logits": np.load(Path(task["out"]).with_suffix(".npy"))}


def run_side(
    python: str, program: str, task: dict[str, Any], scratch: Path, **environment: str
) -> dict[str, Any] | str:
    """Runs a program of ``engine_sides``; returns what it wrote, or its last complaint."""
    place = scratch / "job.json"
    place.write_text(json.dumps(task), encoding="utf-8")
    done = subprocess.run(
        [python, str(SIDES / program), str(place)],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    values: dict[str, Any] = json.loads(Path(task["out"]).read_text(encoding="utf-8"))
    return values


def equal_tensors(python: str, scratch: Path, file: str) -> str:
    """Tells how many tensors of our Q8_0 file are llama.cpp's own, byte for byte."""
    whole, own = scratch / "fp32" / file, scratch / "own.gguf"
    subprocess.run(
        [python, str(SIDES / "quantise_llama_cpp.py"), str(whole), str(own), "Q8_0"],
        check=True, capture_output=True,
    )  # fmt: skip
    theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(own).tensors}
    mine = gguf.GGUFReader(scratch / "q8_0" / file).tensors
    same = sum(
        tensor.tensor_type == theirs[tensor.name].tensor_type
        and tensor.data.tobytes() == theirs[tensor.name].data.tobytes()
        for tensor in mine
    )
    return f"{same} of {len(mine)} tensors are those that llama.cpp makes of our fp32 file"


def compare(mine: Ours, theirs: dict[str, Any], rendered: list[list[int]]) -> str:
    """Returns one line on how an engine's answers stand to ours."""
    width = min(mine.logits.shape[1], theirs["logits"].shape[1])
    apart = np.abs(mine.logits[:, :width] - theirs["logits"][:, :width]).max()
    pairs = list(zip(mine.answers, theirs["answers"], strict=True))
    equal = sum(a == b for a, b in pairs)
    chats = sum(a == b for a, b in zip(rendered, theirs["rendered"], strict=True))
    said = f"{equal} of {len(pairs)} answers equal, first logits within {apart:.2g}"
    said += f", {chats} of {len(rendered)} conversations have our ids"
    stops = theirs.get("stops", mine.stops)
    return said + ("" if stops == mine.stops else f", stops {stops} and not {mine.stops}")
