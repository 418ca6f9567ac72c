"""Run records into MLflow: one parent run a study, one child run a job.

The record on disk is the truth and MLflow a view of it, so that everything
here may be repeated: a job's run is found by its tags, a point that is already
there is not doubled (MLflow keys points by name, step, time and value), and a
repeated job replaces the run of its earlier attempt.
"""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from bayling_study.core.credentials import without_credentials
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_json
from bayling_study.shared.tracking import sending
from bayling_study.shared.tracking.host import is_alive
from bayling_study.shared.tracking.registry import register
from bayling_study.shared.tracking.target import chosen_experiment, chosen_uri, default_uri
from bayling_study.shared.verdict import read_verdict

__all__ = ["Store", "chosen_uri", "default_uri", "reached", "runs_of", "state_of"]

log = logging.getLogger(__name__)

STATES = {
    "finished": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
    "running": "RUNNING",
}
RUNNING = STATES["running"]
PATIENCE = 120.0
"""Seconds to wait for an sqlite store that another program has locked."""

Result = TypeVar("Result")


@contextmanager
def reached(uri: str) -> Iterator[None]:
    """Turns the failures of a store's client into one message.

    Raises:
        StudyError: the store cannot be reached, or refused a call.
    """
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
    found: list[Any] = []
    token = None
    while token != "":
        page = client.search_runs([experiment], filter_string=condition, page_token=token)
        found += page
        token = page.token or ""
    return found


def runs_of(uri: str, study: Path, experiment_name: str | None = None) -> list[Any]:
    """Returns the runs of a study, its own and its jobs', and writes nothing.

    Raises:
        StudyError: the store cannot be reached.
    """
    from mlflow import MlflowClient

    with reached(uri):
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(chosen_experiment(experiment_name, study))
        if experiment is None:
            return []
        runs = find_runs(client, experiment.experiment_id, {})
    parents = {r.info.run_id for r in runs if r.data.tags.get("mlflow.runName") == study.name}
    family = [(run, {run.info.run_id, run.data.tags.get("mlflow.parentRunId")}) for run in runs]
    return [run for run, own in family if own & parents]


class Store:
    """A study's experiment in an MLflow store; its default name: see ``chosen_experiment``.

    A lock in the results folder keeps two jobs from creating the store, the experiment or the
    parent run twice. For a locked sqlite store it waits ``patience`` seconds.

    Raises:
        StudyError: the store cannot be reached.
    """

    def __init__(
        self, uri: str, study: Path, experiment: str | None = None, patience: float = PATIENCE
    ) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        self.uri, self.study, self.patience = uri, study, patience
        self.name = chosen_experiment(experiment, study)
        with reached(self.uri), self._lock():
            self.client = self._patiently(lambda: MlflowClient(tracking_uri=uri, registry_uri=uri))
            self.experiment = self._patiently(self._experiment)
            self.parent = self._patiently(self._parent)

    def _patiently(self, action: Callable[[], Result]) -> Result:
        """Repeats an action, which may be repeated, while the sqlite store is locked."""
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import OperationalError

        end = time.monotonic() + self.patience
        while True:
            try:
                return action()
            except (MlflowException, OperationalError) as error:
                if "database is locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.5)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.study.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self.study / ".mlflow.lock")):
            yield

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.name)
        if found is not None:
            return str(found.experiment_id)
        local = self.uri.startswith("sqlite:")
        location = (self.study.resolve() / "mlflow-artefacts").as_uri() if local else None
        kind = {"mlflow.experimentKind": "custom_model_development"}  # opens on runs and curves
        created = self.client.create_experiment(self.name, artifact_location=location, tags=kind)
        return str(created)

    def _parent(self) -> str:
        tags = {"bayling.kind": "study", "mlflow.runName": self.study.name}
        found = self._find(tags) or [self.client.create_run(self.experiment, tags=tags)]
        return str(found[0].info.run_id)

    def _find(self, tags: Mapping[str, str]) -> list[Any]:
        return find_runs(self.client, self.experiment, tags)

    def jobs(self) -> list[Any]:
        """Returns the runs of all jobs of the study."""
        return self._patiently(lambda: self._find({"mlflow.parentRunId": self.parent}))

    def run_of(self, record: Mapping[str, Any]) -> str:
        """Returns the id of the run of a job's current attempt; earlier attempts' runs go."""
        job = {"bayling.job": sending.job_of(record), "mlflow.parentRunId": self.parent}
        run_id = ""
        with self._lock():
            for run in self._find(job):
                if run.data.tags.get("bayling.uid") == record["uid"]:
                    run_id = str(run.info.run_id)
                else:
                    self.client.delete_run(run.info.run_id)
            return run_id or self._create(record)

    def _create(self, record: Mapping[str, Any]) -> str:
        tags = {**sending.tags_of(record), "mlflow.parentRunId": self.parent}
        about = {"start_time": int(record["start"] * 1000), "run_name": sending.job_of(record)}
        created = self.client.create_run(self.experiment, tags=tags, **about)
        return str(created.info.run_id)

    def sync(self, path: Path) -> bool:
        """Brings one record's run up to date; returns whether anything was sent.

        Raises:
            StudyError: the store failed; what was sent before that stays.
        """
        with reached(self.uri):
            return self._patiently(lambda: self._sync(path))

    def _sync(self, path: Path) -> bool:
        record = read_json(path)
        run_id, state = self.run_of(record), state_of(record)
        # The state with it: a killed process leaves its record as it was.
        digest = sha256_json([sending.VERSION, state, record])
        if self.client.get_run(run_id).data.tags.get("bayling.digest") == digest:
            return False
        self._send(run_id, path, record)
        if state == RUNNING:
            self.client.update_run(run_id, status=state)
        else:
            self._send_end(run_id, path, record, state)
        self.client.set_tag(run_id, "bayling.digest", digest)
        return True

    def _send(self, run_id: str, path: Path, record: Mapping[str, Any]) -> None:
        """Sends what stays as it is while a job goes on: sending it again doubles nothing."""
        sending.send_points(self.client, run_id, record["history"])
        sending.send_parameters(self.client, run_id, record)
        sending.send_inputs(self.client, run_id, record)
        self.client.set_tag(run_id, "mlflow.note.content", sending.note_of(record, path))

    def _send_end(self, run_id: str, path: Path, record: Mapping[str, Any], state: str) -> None:
        """Sends what is final once a job has ended, samples too: a long job's are thinned."""
        end = int((record["end"] or path.stat().st_mtime) * 1000)
        sending.send_points(self.client, run_id, sending.usage_points(record))
        sending.send_values(self.client, run_id, record, end)
        for artefact in [*record["artefacts"], str(path)]:
            if Path(artefact).is_file():
                self.client.log_artifact(run_id, artefact)
        if record["state"] == "finished":
            register(self.client, self.experiment, run_id, record, self.jobs())
        self.client.set_terminated(run_id, status=state, end_time=end)

    def finish(self, records: list[Mapping[str, Any]], artefacts: list[Path]) -> None:
        """Closes the parent run: its time span, its job counts, verdict and what people open first.

        While a job runs, the parent run does too and has no counts yet.
        """
        with reached(self.uri):
            self._patiently(lambda: self._finish(records, artefacts))

    def _finish(self, records: list[Mapping[str, Any]], artefacts: list[Path]) -> None:
        states = [state_of(record) for record in records]
        if RUNNING in states:
            self.client.update_run(self.parent, status=RUNNING)
            return
        end = max((record["end"] or record["start"] for record in records), default=0.0)
        for state in STATES:
            count = states.count(STATES[state])
            self.client.log_metric(self.parent, f"jobs_{state}", count, int(end * 1000), 0)
        if sentences := read_verdict(self.study):
            note = "\n".join(f"- {sentence}" for sentence in sentences)
            self.client.set_tag(self.parent, "mlflow.note.content", note)
        for artefact in artefacts:
            self.client.log_artifact(self.parent, str(artefact))
        status = "FINISHED" if set(states) <= {"FINISHED"} else "FAILED"
        self.client.set_terminated(self.parent, status=status, end_time=int(end * 1000))


def state_of(record: Mapping[str, Any]) -> str:
    """Returns MLflow's name of a record's state; a dead process' ``running`` is ``KILLED``."""
    if record["state"] == "running" and not is_alive(record["host"]):
        return "KILLED"
    return STATES[record["state"]]
