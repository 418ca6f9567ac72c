"""What the stage program tells its worker processes, and what they tell back. The job is one JSON
file. Reports are JSON lines that the first worker appends and the stage program follows, so
training never waits for a tracking server or a run record."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bayling_study.config.systems import TemplateName
from bayling_study.config.tuning import TuningSection
from bayling_study.core.files import read_json, write_json


@dataclass(frozen=True)
class TrainingJob:
    """One training run: ``tuning`` is that section of the config, ``card`` facts for the card.
    ``work`` is the folder of checkpoints, ``out`` of the result, ``code`` the hash of the stage's
    code, ``deadline`` the Unix time at which to save and stop, or none."""

    system: str
    tuning: dict[str, Any]
    template: TemplateName
    seed: int
    foundation: str
    work: str
    out: str
    code: str
    deadline: float | None
    card: dict[str, Any]

    @property
    def settings(self) -> TuningSection:
        """The config section ``tuning``."""
        return TuningSection.model_validate(self.tuning)

    @property
    def folder(self) -> Path:
        """The folder of checkpoints and of this exchange."""
        return Path(self.work)

    @property
    def tokens(self) -> Path:
        """The encoded conversations."""
        return self.folder / "tokens"

    @property
    def stop_file(self) -> Path:
        """Exists once training is to save and stop."""
        return self.folder / "stop"

    @property
    def events(self) -> Path:
        """The reports of the first worker, of all attempts."""
        return self.folder / "events.jsonl"

    @property
    def file(self) -> Path:
        """The job itself."""
        return self.folder / "job.json"

    def write(self) -> None:
        """Writes the job for the workers."""
        write_json(self.file, asdict(self))

    @staticmethod
    def read(path: Path) -> "TrainingJob":
        """Reads a job."""
        return TrainingJob(**read_json(path))


def report(path: Path, kind: str, **values: Any) -> None:
    """Appends one report: a single write, so that a reader never sees half of it for long."""
    line = json.dumps({"event": kind, "time": time.time(), **values}, ensure_ascii=False) + "\n"
    with open(path, "ab", buffering=0) as stream:
        stream.write(line.encode())


class Follower:
    """Reads reports as they come; the file need not exist yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Yields the complete reports that were appended since the last call."""
        if not self.path.exists() or os.path.getsize(self.path) == self._place:
            return
        with open(self.path, "rb") as stream:
            stream.seek(self._place)
            text = stream.read()
        complete = text[: text.rfind(b"\n") + 1]
        self._place += len(complete)
        for line in complete.splitlines():
            yield json.loads(line)
