"""What is compared: a study, or one of its systems with everything behind it; and what differs in
how two of these sides were made: configuration, code, data and environment."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.commands.why.chain import SHOWN, behind
from bayling_study.config.loading import merge
from bayling_study.config.rehearsal import refuse_rehearsal
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import closest
from bayling_study.core.records import Score, read_scores
from bayling_study.shared.score_files import score_files_of
from bayling_study.shared.tracking.jobs import RecordedJob, study_jobs
from bayling_study.shared.tracking.record import flatten

USELESS = ("report", "tracking")  # stages that decide no score
ABSENT = "–"
LONGEST = 200  # characters of a configuration value that are shown


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
        return behind([job for job in every if job.title == f"scoring/{self.system}"], every)

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


class Difference(NamedTuple):
    """One thing that both sides have, or one of them, and that differs."""

    kind: str
    what: str
    a: str
    b: str


def differences(a: Side, b: Side) -> list[Difference]:
    """Returns every difference, the configuration's first."""
    return [
        *_compared("config", _plain(a.config), _plain(b.config)),
        *_compared("code", *_by_job(a, b, lambda job: {"": job.record["code"]})),
        *_compared("data", *_by_job(a, b, _hashes)),
        *_compared("environment", _environment(a), _environment(b)),
    ]


def _compared(kind: str, a: Mapping[str, str], b: Mapping[str, str]) -> list[Difference]:
    return [
        Difference(kind, name, a.get(name, ABSENT), b.get(name, ABSENT))
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]


def _plain(config: Mapping[str, Any]) -> dict[str, str]:
    """Returns a configuration as dotted keys and texts, without the study's name and title."""
    texts = {key: str(value) for key, value in flatten(config).items()}
    return {
        key: text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
        for key, text in texts.items()
        if key not in ("study.name", "study.title")
    }


def _hashes(job: RecordedJob) -> dict[str, str]:
    """Returns the hashes of what a job made, and of the source behind a download."""
    if job.record["stage"] != "download":
        return {f" {output.name}": output.sha256[:SHOWN] for output in job.outputs()}
    known = job.record["parameters"].get
    return {" revision": str(known("source.revision")), " files": str(known("listing"))[:SHOWN]}


def _by_job(
    a: Side, b: Side, facts: Callable[[RecordedJob], Mapping[str, str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Returns facts of both sides' jobs, named by the stage where a stage has one job on each."""
    ours, theirs = (Counter(job.record["stage"] for job in side.jobs) for side in (a, b))
    most = ours | theirs

    def named(job: RecordedJob) -> dict[str, str]:
        title = job.record["stage"] if most[job.record["stage"]] == 1 else job.title
        return {f"{title}{key}": value for key, value in facts(job).items()}

    first, second = ({k: v for j in side.jobs for k, v in named(j).items()} for side in (a, b))
    return first, second


def _environment(side: Side) -> dict[str, str]:
    """Returns the versions and machines of a side's jobs."""
    found: dict[str, set[str]] = {}
    for job in side.jobs:
        host = job.record["host"]
        found.setdefault("machine", set()).add(f"{host['system']}, {host['cores']} cores")
        for package, version in job.record["packages"].items():
            found.setdefault(package, set()).add(version)
    return {name: "; ".join(sorted(values)) for name, values in found.items()}
