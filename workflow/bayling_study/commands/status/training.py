"""How far a training is: from its run record and the reports beside its checkpoints."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json

RECENT = 20  # steps whose median speed is shown


class TrainingStatus(NamedTuple):
    """A training at some step; ``saved`` is the newest checkpoint's, ``attempts`` counts jobs.

    ``steps`` are all that there will be, 0 where that is not known; the speed (real tokens) and
    the time left are those of the last steps; ``age`` is the seconds since the last one.
    """

    system: str
    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float
    saved: int
    attempts: int
    age: float


def trainings(study: Path) -> list[TrainingStatus]:
    """Returns the trainings that have done a step and are not finished."""
    found = (_training(study, path) for path in sorted(study.glob("runs/tuning/*.json")))
    return [training for training in found if training is not None]


def _training(study: Path, path: Path) -> TrainingStatus | None:
    try:
        record = read_json(path)
    except StudyError:
        return None
    history = record.get("history") or []
    if record.get("state") == "finished" or not history:
        return None
    events = _events(study / "work" / "tuning" / path.stem)
    begun = [event for event in events if event["event"] == "started"]
    saved = [event["step"] for event in events if event["event"] == "saved"]
    last = history[-1]
    speeds = sorted(point["values"]["real_tokens_per_second"] for point in history[-RECENT:])
    return TrainingStatus(
        system=path.stem,
        step=int(last["step"]),
        steps=int(begun[-1].get("steps", 0)) if begun else 0,
        loss=float(last["values"]["loss"]),
        tokens_per_second=float(speeds[len(speeds) // 2]),
        seconds_left=float(last["values"].get("seconds_left", 0.0)),
        saved=max(saved, default=0),
        attempts=len(begun),
        age=time.time() - float(last["time"]),
    )


def _events(folder: Path) -> list[dict[str, Any]]:
    """Returns the reports of the newest work in a folder: complete lines only."""
    files = folder.glob("*/events.jsonl")
    newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
    text = newest.read_text(encoding="utf-8") if newest else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
