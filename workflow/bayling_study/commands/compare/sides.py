"""What is compared: a study, or one of its systems with everything behind it."""

from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any

from bayling_study.commands.why.chain import behind
from bayling_study.config.loading import merge
from bayling_study.config.rehearsal import refuse_rehearsal
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import closest
from bayling_study.core.records import Score, read_scores
from bayling_study.shared.score_files import score_files_of
from bayling_study.shared.tracking.jobs import RecordedJob, study_jobs

USELESS = ("report", "tracking")
"""Stages that decide no score."""


@dataclass(frozen=True)
class Side:
    """One side of a comparison, as it was asked for: a results folder, or one system of it."""

    label: str
    folder: Path
    system: str = ""

    @cached_property
    def jobs(self) -> list[RecordedJob]:
        """The jobs that made the scores; of one system, those behind its scores."""
        every = [job for job in study_jobs(self.folder) if job.record["stage"] not in USELESS]
        if not self.system:
            return every
        start = [job for job in every if job.title == f"scoring/{self.system}"]
        return behind(start, every)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration that these jobs were given, put together from their settings files."""
        nothing: dict[str, Any] = {}
        return reduce(merge, (job.given() for job in self.jobs), nothing)

    @cached_property
    def systems(self) -> list[str]:
        """The systems with scores."""
        return [self.system] if self.system else scored_systems(self.folder)

    def scores(self, system: str) -> list[Score]:
        """Returns all scores of a system, COMET's among them."""
        paths = score_files_of(self.folder, system)
        found = [score for path in paths for score in read_scores(path)]
        place = {suite: number for number, suite in enumerate(self.config.get("suites", {}))}
        return sorted(found, key=lambda score: place.get(score.suite, len(place)))


def scored_systems(folder: Path) -> list[str]:
    """Returns the systems of a study that were scored."""
    outputs = {path.name for path in (folder / "generation").glob("*/")}
    return sorted(name for name in outputs if any((folder / "scoring" / name).glob("*.json")))


def side_of(text: str, results: Path) -> Side:
    """Returns the side that ``STUDY`` or ``STUDY:SYSTEM`` names; a study is a name or a folder
    (``StudyError`` if there is no such study or system: lists what there is)."""
    name, _, system = text.partition(":") if not Path(text).is_dir() else (text, "", "")
    if not name:
        fix = "make compare A=STUDY[:SYSTEM] B=STUDY[:SYSTEM]"
        raise StudyError("name what to compare", fix=fix)
    folder, where = Path(name) if Path(name).is_dir() else results / name, f"{text!r}"
    if not (folder / "scoring").is_dir():
        known = sorted(path.parent.name for path in results.glob("*/scoring"))
        near = closest(name, known)
        hint = f"did you mean {near!r}? " if near else ""
        fix = f"{hint}a results folder, or one of: {', '.join(known) or '(none yet)'}"
        raise StudyError("no study with scores", where=where, fix=fix)
    refuse_rehearsal(folder, where)
    systems = scored_systems(folder)
    if system and system not in systems:
        what = f"the study has no scores of {system!r}"
        raise StudyError(what, where=where, fix=f"one of: {', '.join(systems)}")
    return Side(text, folder, system)
