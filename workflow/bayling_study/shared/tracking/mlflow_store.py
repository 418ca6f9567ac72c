"""Run records into MLflow: one parent run a study, one child run a job and one a system. The record
on disk is the truth and MLflow a view of it, so that everything here may be repeated: a job's run
is found by its tags, a point that is already there is not doubled (MLflow keys points by name,
step, time and value), and a repeated job replaces the run of its earlier attempt."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

from bayling_study.core.credentials import without_credentials
from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_json
from bayling_study.shared.tracking import sending
from bayling_study.shared.tracking.host import is_alive
from bayling_study.shared.tracking.jobs import RecordedJob, read_job
from bayling_study.shared.tracking.registry import register
from bayling_study.shared.tracking.study_runs import StudyRuns
from bayling_study.shared.tracking.target import Target, chosen_experiment

STATES = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED", "running": "RUNNING"}
RUNNING = STATES["running"]
PARENT = "mlflow.parentRunId"
DIGEST = "bayling.digest"
"""Tag that names what a run holds; a run that lacks it has yet to be filled."""


@contextmanager
def reached(uri: str) -> Iterator[None]:
    """Turns a store's failures, out of reach or a call refused, into one ``StudyError``."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    # Of a database's driver: its own errors, or that it is not installed.
    except (MlflowException, SQLAlchemyError, ModuleNotFoundError) as error:
        reason = without_credentials((str(error).splitlines() or [repr(error)])[0])[:300]
        fix = "the run records hold everything; `make track` sends it once the store answers"
        raise StudyError(f"the tracking store failed: {reason}", where=uri, fix=fix) from error


def find_runs(client: Any, experiment: str, tags: Mapping[str, str]) -> list[Any]:
    """Returns the runs of an experiment that have all of some tags."""
    condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    found = page = client.search_runs([experiment], filter_string=condition)
    while page.token:
        page = client.search_runs([experiment], filter_string=condition, page_token=page.token)
        found = [*found, *page]
    return list(found)


def runs_of(uri: str, study: Path, experiment_name: str | None = None) -> list[Any]:
    """Returns the runs of a study and its jobs (``StudyError`` if the store is not reached)."""
    from mlflow import MlflowClient

    with reached(uri):
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(chosen_experiment(experiment_name, study))
        if experiment is None:
            return []
        runs = find_runs(client, experiment.experiment_id, {})
    parents = {r.info.run_id for r in runs if r.data.tags.get("mlflow.runName") == study.name}
    family = [(run, {run.info.run_id, run.data.tags.get(PARENT)}) for run in runs]
    return [run for run, own in family if own & parents]


class Store:
    """A study's experiment in an MLflow store (``StudyError`` if that cannot be reached). Its
    default name: see ``chosen_experiment``. A lock in the results folder keeps two jobs from
    creating the store, the experiment or the parent run twice. For an sqlite store that another
    program has locked, MLflow waits."""

    def __init__(self, uri: str, study: Path, experiment: str | None = None) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        self.uri, self.study = uri, study
        self.name = chosen_experiment(experiment, study)
        self.own_tags = {"bayling.kind": "study", "mlflow.runName": study.name}
        study.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(str(study / ".mlflow.lock"))
        with reached(self.uri), self._lock:
            self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            self.experiment = self._experiment()
            found = [str(run.info.run_id) for run in self._find(self.own_tags)]
            self.parent = found[0] if found else self._created(self.own_tags)

    def _experiment(self) -> str:
        """Returns the experiment's id; one that was deleted, or whose study moved, is made anew."""
        found = self.client.get_experiment_by_name(self.name)
        local = self.uri.startswith("sqlite:")
        location = (self.study.resolve() / "mlflow-artefacts").as_uri() if local else None
        active = found is not None and found.lifecycle_stage == "active"
        if active and location in (None, found.artifact_location):
            return str(found.experiment_id)
        if found is not None:
            if not active:  # what is in the bin takes no other name
                self.client.restore_experiment(found.experiment_id)
            self.client.rename_experiment(found.experiment_id, f"{self.name} {uuid4().hex[:8]}")
            self.client.delete_experiment(found.experiment_id)
        kind = {"mlflow.experimentKind": "custom_model_development"}  # opens on runs and curves
        return str(self.client.create_experiment(self.name, artifact_location=location, tags=kind))

    def _created(self, tags: Mapping[str, str], **about: Any) -> str:
        return str(self.client.create_run(self.experiment, tags=tags, **about).info.run_id)

    def _find(self, tags: Mapping[str, str]) -> list[Any]:
        return find_runs(self.client, self.experiment, tags)

    def runs(self, kind: str) -> list[Any]:
        """Returns the study's runs of a kind: ``job`` or ``system``."""
        return self._find({"bayling.kind": kind, PARENT: self.parent})

    def run_of(self, record: Mapping[str, Any]) -> str:
        """Returns the id of the run of a job's current attempt; earlier attempts' runs go."""
        tags = sending.tags_of(record)
        job = {"bayling.job": tags["bayling.job"], PARENT: self.parent}
        run_id = ""
        with self._lock:
            for run in self._find(job):
                if run.data.tags.get("bayling.uid") == record["uid"]:
                    run_id = str(run.info.run_id)
                else:
                    self.client.delete_run(run.info.run_id)
            if not run_id:
                tags |= job | {"mlflow.runName": tags["bayling.job"]}
                run_id = self._created(tags, start_time=int(record["start"] * 1000))
            return run_id

    def sync(self, path: Path) -> bool:
        """Brings one record's run up to date; returns whether anything was sent (``StudyError`` if
        the store failed; what was sent before that stays)."""
        job = read_job(path)
        with reached(self.uri):
            run_id, state = self.run_of(job.record), state_of(job.record)
            # The state with it: a killed process leaves its record as it was.
            digest = sha256_json([sending.VERSION, state, job.record])
            if self.client.get_run(run_id).data.tags.get(DIGEST) == digest:
                return False
            sending.send_record(self.client, run_id, job)
            if state == RUNNING:
                self.client.update_run(run_id, status=state)
            else:
                self._send_end(run_id, job, state)
            self.client.set_tag(run_id, DIGEST, digest)
        return True

    def _send_end(self, run_id: str, job: RecordedJob, state: str) -> None:
        """Sends what is final once a job has ended, samples too: a long job's are thinned."""
        end = int((job.record["end"] or job.file.stat().st_mtime) * 1000)
        for artefact in filter(Path.is_file, [*job.artefacts(), job.file]):
            self.client.log_artifact(run_id, str(artefact))
        register(self.client, self.experiment, run_id, job, lambda: self.runs("job"))
        sending.send_points(self.client, run_id, sending.usage_points(job.record))
        sending.send_values(self.client, run_id, job.record, end)
        self.client.set_terminated(run_id, status=state, end_time=end)

    def put(
        self, tags: Mapping[str, str], content: object, fill: Callable[[str], None],
        state: str, span: tuple[int, int],
    ) -> str:  # fmt: skip
        """Returns the run of some tags that holds some content, which ``fill`` sends. One with
        other content is replaced, its children move: MLflow takes nothing back."""
        digest = sha256_json([sending.VERSION, content])
        with self._lock:
            found = {str(run.info.run_id): run.data.tags.get(DIGEST) for run in self._find(tags)}
            run_id = next((run for run, held in found.items() if held == digest), "")
            if not run_id:
                run_id = self._created(tags, start_time=span[0])
                fill(run_id)
                self.client.set_tag(run_id, DIGEST, digest)
                self.client.set_terminated(run_id, status=state, end_time=span[1])
            for old in found.keys() - {run_id}:
                for child in self._find({PARENT: old}):
                    self.client.set_tag(child.info.run_id, PARENT, run_id)
                self.client.delete_run(old)
        return run_id

    def finish(self, jobs: Sequence[RecordedJob]) -> None:
        """Closes the study's run and makes those of its systems (``StudyError`` if that fails).
        While a job runs, the parent run does too, and nothing else is sent."""
        states = [state_of(job.record) for job in jobs]
        starts = [int(job.record["start"] * 1000) for job in jobs]
        ends = [int((job.record["end"] or job.record["start"]) * 1000) for job in jobs]
        status = "FINISHED" if set(states) <= {"FINISHED"} else "FAILED"
        span = min(starts, default=0), max(ends, default=0)
        counts = {f"jobs_{state}": float(states.count(name)) for state, name in STATES.items()}
        with reached(self.uri):
            if RUNNING in states:
                self.client.update_run(self.parent, status=RUNNING)
            else:
                StudyRuns(self, jobs, span).send(status, counts)


def state_of(record: Mapping[str, Any]) -> str:
    """Returns MLflow's name of a record's state; a dead process' ``running`` is ``KILLED``."""
    if record["state"] == "running" and not is_alive(record["host"]):
        return "KILLED"
    return STATES[record["state"]]


def send_study(study: Path, jobs: Sequence[RecordedJob], target: Target) -> int:
    """Sends what changed of a study; returns how many records (``StudyError`` if that fails)."""
    store = Store(target.uri, study, target.experiment)
    sent = sum(store.sync(job.file) for job in jobs)
    store.finish(jobs)
    return sent
