"""The run records of a study, read back: which job made which file from which files.

Records name files as the job was given them, relative to the folder that the workflow ran in. That
folder, and the study's or the resources' own, follow from where a record lies now and where its job
wrote it, so that a study is understood from any working folder, and after it was moved or renamed.
Standard library only: the COMET environment uses this module too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json


@dataclass(frozen=True)
class Reference:
    """A file or folder that a record names: its path as ``shown`` there, the ``path`` where it is
    now, and the hash when the job read or wrote it (empty where none was taken)."""

    name: str
    shown: str
    path: Path
    sha256: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Of a folder that a job wrote, the hash of each file (records before 0.3 have none)."""


@dataclass(frozen=True)
class RecordedJob:
    """One run record and its file."""

    file: Path
    record: dict[str, Any]

    @property
    def title(self) -> str:
        """The job's name, ``STAGE/NAME``."""
        return f"{self.record['stage']}/{self.record['name']}"

    def inputs(self) -> list[Reference]:
        """Returns what the job read."""
        return self._references("inputs")

    def outputs(self) -> list[Reference]:
        """Returns what the job wrote."""
        return self._references("outputs")

    def artefacts(self) -> list[Path]:
        """Returns the files that people open."""
        return [self.reference("", path).path for path in self.record["artefacts"]]

    def settings(self) -> Reference | None:
        """Returns the job's settings file, or none where it had none."""
        found = self.record.get("settings")
        return self.reference("settings", found["path"], found["sha256"]) if found else None

    def given(self) -> dict[str, Any]:
        """Returns what the job's settings file holds; nothing where it had none, or it is gone."""
        found = self.settings()
        return read_json(found.path) if found and found.path.is_file() else {}

    def _references(self, side: str) -> list[Reference]:
        named = self.record.get(side, {}).items()
        return [self.reference(n, one["path"], one["sha256"], one.get("files")) for n, one in named]

    def reference(
        self, name: str, path: str, sha256: str = "", files: Mapping[str, str] | None = None
    ) -> Reference:
        """Returns a reference to a file as the record names it; what lay in the folder that holds
        ``runs`` lies there still, wherever that is now."""
        here, place = self.file.resolve(), Path(path)
        command = self.record.get("command", [])
        if "--record" in command[:-1]:  # where the job wrote this record, as it was told
            wrote = Path(command[command.index("--record") + 1])
            if len(wrote.parents) > 2 and place.is_relative_to(wrote.parents[2]):
                place = here.parents[2] / place.relative_to(wrote.parents[2])
            elif not wrote.is_absolute() and here.parts[-len(wrote.parts) :] == wrote.parts:
                place = Path(*here.parts[: -len(wrote.parts)]) / place
        return Reference(name, path, place.resolve(), sha256, files or {})

    def made(self, path: Path) -> bool:
        """Tells whether a file or folder is, holds or lies in one of the job's outputs."""
        return any(touches(output.path, path) for output in self.outputs())


def touches(first: Path, second: Path) -> bool:
    """Tells whether two paths are the same, or one lies in the other."""
    return first == second or first in second.parents or second in first.parents


def read_job(file: Path) -> RecordedJob:
    """Reads a run record (``StudyError`` if the file is absent or no run record)."""
    record = read_json(file)
    if not isinstance(record, dict) or not {"stage", "name", "uid"} <= set(record):
        raise StudyError("not a run record", where=file)
    return RecordedJob(file, record)


def study_jobs(study: Path) -> list[RecordedJob]:
    """Returns a study's own jobs and the shared ones that made what they read. Shared outputs
    (downloads, foundations) have their records beside them: an input's ancestor that holds a folder
    ``runs`` is where its maker's record lies. No records are a ``StudyError``."""
    own = [read_job(file) for file in sorted((study / "runs").glob("*/*.json"))]
    if not own:
        raise StudyError("no run records", where=study / "runs", fix="run the study first")
    known = {job.file.resolve(): job for job in own}
    pending = list(own)
    while pending:
        for reference in pending.pop().inputs():
            for job in _beside(reference.path, known):
                known[job.file.resolve()] = job
                pending.append(job)
    return list(known.values())


def _beside(path: Path, known: dict[Path, RecordedJob]) -> Iterator[RecordedJob]:
    """Yields the jobs, not known yet, that made a file and whose records lie above it."""
    for folder in path.parents:
        for file in sorted((folder / "runs").glob("*/*.json")):
            if file.resolve() not in known:
                job = read_job(file)
                if job.made(path):
                    yield job
