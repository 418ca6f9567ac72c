"""The jobs behind a file, from the one that made it back to the sources. Every file that a job
names is hashed again and compared with what the job read or wrote, and every reader with the writer
before it."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_path
from bayling_study.shared.sources.fetched import MANIFEST, files_root
from bayling_study.shared.tracking.code import PACKAGE, ROOT, code_hash
from bayling_study.shared.tracking.jobs import RecordedJob, Reference, touches
from bayling_study.shared.tracking.mlflow_store import runs_of
from bayling_study.shared.tracking.target import target_of

SHOWN = 12  # hex digits of a hash that are shown
RUN_NAME = "mlflow.runName"
NO_RUN = "not in MLflow (make track)"
Hash = Callable[[Path], str]


class CheckedFile(NamedTuple):
    """A file that a job names, and what became of it: ``ok``, what does not match, or ``not
    checked`` where no hash was taken; of an input also the numbers of the jobs that made it."""

    reference: Reference
    status: str
    makers: Sequence[int] = ()


class Link(NamedTuple):
    """One job of the chain, numbered from the file backwards."""

    number: int
    job: RecordedJob
    settings: CheckedFile | None
    inputs: list[CheckedFile]
    outputs: list[CheckedFile]
    notes: list[str]


def chain_of(start: list[RecordedJob], jobs: list[RecordedJob], verify: bool = True) -> list[Link]:
    """Returns the chain behind some jobs: they first, then what made their inputs, and so on. Each
    path is hashed once; unless ``verify``, nothing is read and only absence shows."""
    hashed, reached = cache(sha256_path) if verify else None, behind(start, jobs)
    return [_link(number, job, reached, hashed) for number, job in enumerate(reached, start=1)]


def behind(start: list[RecordedJob], jobs: list[RecordedJob]) -> list[RecordedJob]:
    """Returns some jobs and those behind them, nearest first."""
    reached = list(start)
    for job in reached:  # grows while it is read
        for reference in job.inputs():
            new = [one for one in jobs if one is not job and one.made(reference.path)]
            reached += [maker for maker in new if not any(maker is old for old in reached)]
    return reached


def _link(number: int, job: RecordedJob, reached: list[RecordedJob], hashed: Hash | None) -> Link:
    inputs = []
    for reference in job.inputs():
        others = ((n, one) for n, one in enumerate(reached, start=1) if one is not job)
        makers = {n: one for n, one in others if one.made(reference.path)}
        status = _against_makers(reference, makers.values()) or _status(reference, hashed)
        inputs.append(CheckedFile(reference, status, [*makers]))
    outputs = [CheckedFile(reference, _status(reference, hashed)) for reference in job.outputs()]
    settings = job.settings()
    checked = CheckedFile(settings, _status(settings, hashed)) if settings else None
    notes = [*_source_notes(job, hashed is not None), *_code_notes(job)]
    return Link(number, job, checked, inputs, outputs, notes)


def _status(reference: Reference, hashed: Hash | None) -> str:
    """Returns ``ok`` or what is wrong with a file."""
    if not os.path.lexists(reference.path):
        return "MISSING"
    if hashed is None or not reference.sha256:
        return "not checked"
    now = hashed(reference.path)
    return "ok" if now == reference.sha256 else f"CHANGED, now {now[:SHOWN]}"


def _source_notes(job: RecordedJob, verify: bool) -> Iterator[str]:
    """Yields where a download came from and which of its files no longer match."""
    for path in (output.path for output in job.outputs()):
        if path.name == MANIFEST and path.is_file():
            manifest = read_json(path)
            source = manifest["source"]
            place = [source.get("location"), source.get("revision"), source.get("licence")]
            yield f"source: {', '.join(filter(None, place))}"
            pinned = source.get("sha256") or manifest.get("listing", "")
            yield f"pinned by: {manifest.get('pin', 'nothing')}, SHA-256 {pinned}"
            if verify:
                yield from _changed_files(path.parent, manifest)


def _changed_files(download: Path, manifest: dict[str, Any]) -> list[str]:
    """Returns a note on each file of a source that is gone or differs from the manifest."""
    try:
        root = files_root(download)
    except StudyError as error:
        return [f"MISSING: {error.what}"]
    found = [(root / row["path"], row["sha256"]) for row in manifest["files"]]
    notes = [f"CHANGED: {path} {what}" for path, sha in found if (what := damage(path, None, sha))]
    return notes or [f"{len(manifest['files'])} files as in the manifest"]


def _against_makers(reference: Reference, before: Iterable[RecordedJob]) -> str:
    """Returns what is wrong where a job read something else than its maker wrote."""
    for job in before:
        for output in job.outputs():
            same = output.path == reference.path and output.sha256 and reference.sha256
            if same and output.sha256 != reference.sha256:
                return f"READ BEFORE IT WAS MADE AGAIN: {job.title} wrote {output.sha256[:SHOWN]}"
    return ""


def _code_notes(job: RecordedJob) -> list[str]:
    """Returns a note where the code that the job ran has changed since."""
    module = next((word for word in job.record["command"] if word.startswith(PACKAGE)), "")
    path = ROOT / Path(*module.split("."))
    if not module or not (path.is_dir() or path.with_suffix(".py").is_file()):
        return []
    now = code_hash(module)
    same = not job.record["code"] or now == job.record["code"]
    return [] if same else [f"code changed since: now {now}"]


def nearest_study(file: Path) -> Path:
    """Returns the folder above a file that holds the run records of the job that made it
    (``StudyError`` if the file does not exist, or no folder above it has records)."""
    if not file.exists():
        raise StudyError("the file does not exist", where=file)
    for folder in file.resolve().parents:
        if any((folder / "runs").glob("*/*.json")):
            return folder
    what = "no folder above this file has run records"
    raise StudyError(what, where=file, fix="a file of results/ or resources/")


def jobs_behind(file: Path, jobs: list[RecordedJob]) -> list[RecordedJob]:
    """Returns the jobs that made a file (``StudyError`` if none did); of a record, its own job."""
    path = file.resolve()
    found = [job for job in jobs if job.file.resolve() == path]
    found = found or [job for job in jobs if job.made(path)]
    found = found or [job for job in jobs if any(touches(one, path) for one in job.artefacts())]
    if not found:
        shown = [output.shown for job in jobs for output in job.outputs()][:5]
        fix = "\n".join(["a file in one of the outputs, such as:", *shown])
        raise StudyError("no run record names this file", where=file, fix=fix)
    return found


class RunIds:
    """The MLflow runs of a study's jobs, by default from the last sync's store or the study's own;
    nothing is read before it is asked for."""

    def __init__(self, study: Path, uri: str | None = None) -> None:
        self._study = study
        self._target = target_of(study, uri)

    @cached_property
    def _runs(self) -> dict[str, str] | str:
        """Job's uid, or ``system/NAME`` or ``study/NAME``, to run id; or why there are none."""
        local = self._target.uri.removeprefix("sqlite:///")
        if local != self._target.uri and not Path(local).is_file():
            return NO_RUN  # asking would create the store
        try:
            runs = runs_of(self._target.uri, self._study, self._target.experiment)
        except StudyError as error:
            return f"unknown: {error.what}"
        found = ((run.data.tags, str(run.info.run_id)) for run in runs)
        kind = "bayling.kind"
        return {t.get("bayling.uid", f"{t[kind]}/{t[RUN_NAME]}"): run for t, run in found}

    def of(self, record: Mapping[str, Any]) -> str:
        """Returns the run id of a record, or why there is none."""
        return self._runs if isinstance(self._runs, str) else self._runs.get(record["uid"], NO_RUN)

    def job(self, run_id: str, jobs: list[RecordedJob]) -> RecordedJob:
        """Returns the job of a run: of the study's own, its report; of a system's, its scores
        (``StudyError`` if the store has no such run, or its record is gone)."""
        if isinstance(self._runs, str):
            raise StudyError(f"no MLflow runs: {self._runs}", where=self._study)
        key = next((key for key, run in self._runs.items() if run == run_id), "")
        kind, _, name = key.partition("/")
        title = {"study": "report/report", "system": f"scoring/{name}"}.get(kind)
        wanted = [job for job in jobs if key == job.record["uid"] or title == job.title]
        if not wanted:
            known = ", ".join(sorted(self._runs.values())[:3])
            fix = f"a run id such as {known}" if known else "make track"
            what = f"no job of the study has the run {run_id!r}"
            raise StudyError(what, where=self._study, fix=fix)
        return wanted[0]
