"""Run records into MLflow: one parent run a study, one child run a job.

The record on disk is the truth and MLflow a view of it, so that everything
here may be repeated: a job's run is found by its tags, a point that is already
there is not doubled (MLflow keys points by name, step, time and value), and a
repeated job replaces the run of its earlier attempt.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from filelock import FileLock

from bayling_study.files import read_json, sha256_json

log = logging.getLogger(__name__)

METRICS_A_CALL = 1000  # limits of MLflow's log_batch
PARAMETERS_A_CALL = 100
PARAMETER_LENGTH = 6000
DIGEST_LENGTH = 36

STATES = {
    "finished": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
    "running": "RUNNING",
}


def default_uri(study: Path) -> str:
    """Returns the address of the study's own sqlite store."""
    return f"sqlite:///{study.resolve() / 'mlflow.db'}"


class Store:
    """A study's experiment in an MLflow store.

    Args:
        uri: tracking URI.
        study: the study's results folder; holds the lock that keeps two jobs
            from creating the store, the experiment or the parent run twice.
    """

    def __init__(self, uri: str, study: Path) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient

        self.study = study
        self.name = study.name
        with self._lock():
            self.client = MlflowClient(tracking_uri=uri)
            self.experiment = self._experiment(uri)
            self.parent = self._parent()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self.study.mkdir(parents=True, exist_ok=True)
        with FileLock(str(self.study / ".mlflow.lock")):
            yield

    def _experiment(self, uri: str) -> str:
        found = self.client.get_experiment_by_name(self.name)
        if found is not None:
            return str(found.experiment_id)
        local = uri.startswith("sqlite:")
        place = (self.study.resolve() / "mlflow-artefacts").as_uri() if local else None
        kind = {"mlflow.experimentKind": "custom_model_development"}  # opens on runs and curves
        created = self.client.create_experiment(self.name, artifact_location=place, tags=kind)
        return str(created)

    def _parent(self) -> str:
        found = self._find({"bayling.kind": "study"})
        if found:
            return str(found[0].info.run_id)
        tags = {"bayling.kind": "study", "mlflow.runName": self.name}
        return str(self.client.create_run(self.experiment, tags=tags).info.run_id)

    def _find(self, tags: Mapping[str, str]) -> list[Any]:
        condition = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        return list(self.client.search_runs([self.experiment], filter_string=condition))

    def run_of(self, record: Mapping[str, Any]) -> str:
        """Returns the id of the run of a job's current attempt; earlier attempts' runs go."""
        job = f"{record['stage']}/{record['name']}"
        run_id = ""
        with self._lock():
            for run in self._find({"bayling.job": job}):
                if run.data.tags.get("bayling.uid") == record["uid"]:
                    run_id = str(run.info.run_id)
                else:
                    self.client.delete_run(run.info.run_id)
            return run_id or self._create(job, record)

    def _create(self, job: str, record: Mapping[str, Any]) -> str:
        tags = {
            "bayling.kind": "job",
            "bayling.job": job,
            "bayling.stage": record["stage"],
            "bayling.uid": record["uid"],
            "bayling.code": record["code"],
            "bayling.settings": record.get("settings", {}).get("sha256", ""),
            "bayling.host": record["host"]["name"],
            "bayling.scheduler_job": record["host"]["scheduler_job"],
            "mlflow.parentRunId": self.parent,
            "mlflow.source.name": " ".join(record["command"][:1]),
            "mlflow.source.type": "JOB",
        }
        start = int(record["start"] * 1000)
        created = self.client.create_run(self.experiment, start_time=start, tags=tags, run_name=job)
        return str(created.info.run_id)

    def send_points(self, run_id: str, points: list[Mapping[str, Any]]) -> None:
        """Sends points of curves; points that are there already change nothing."""
        from mlflow.entities import Metric

        metrics = (
            Metric(allowed(key), float(value), int(point["time"] * 1000), int(point["step"]))
            for point in points
            for key, value in point["values"].items()
        )
        for batch in chunks(metrics, METRICS_A_CALL):
            self.client.log_batch(run_id, metrics=batch)

    def sync(self, path: Path) -> bool:
        """Brings one record's run up to date; returns whether anything was sent."""
        record = read_json(path)
        run_id = self.run_of(record)
        digest = sha256_json(record)
        if self.client.get_run(run_id).data.tags.get("bayling.digest") == digest:
            return False
        self._send(run_id, path, record)
        self.client.set_tag(run_id, "bayling.digest", digest)
        return True

    def _send(self, run_id: str, path: Path, record: Mapping[str, Any]) -> None:
        end = int((record["end"] or path.stat().st_mtime) * 1000)
        self.send_points(run_id, record["history"])
        self._send_metrics(run_id, record, end)
        self._send_parameters(run_id, record)
        self._send_inputs(run_id, record["inputs"])
        for artefact in [*record["artefacts"], str(path)]:
            if Path(artefact).is_file():
                self.client.log_artifact(run_id, artefact)
        self.client.set_terminated(run_id, status=state_of(record), end_time=end)

    def _send_metrics(self, run_id: str, record: Mapping[str, Any], end: int) -> None:
        """Sends final values; a curve needs none, its last point is that."""
        from mlflow.entities import Metric

        curves = {key for point in record["history"] for key in point["values"]}
        values = {**record["metrics"], "seconds": end / 1000 - record["start"]}
        values["peak_memory_gib"] = record["host"].get("peak_memory_bytes", 0) / 2**30
        rows = [
            Metric(allowed(key), float(value), end, 0)
            for key, value in values.items()
            if key not in curves
        ]
        for batch in chunks(rows, METRICS_A_CALL):
            self.client.log_batch(run_id, metrics=batch)

    def _send_parameters(self, run_id: str, record: Mapping[str, Any]) -> None:
        """Sends parameters and package versions that the run does not have yet."""
        from mlflow.entities import Param

        versions = {f"version.{name}": version for name, version in record["packages"].items()}
        values = {**record["parameters"], **versions}
        rows = [Param(allowed(key), str(value)[:PARAMETER_LENGTH]) for key, value in values.items()]
        known = self.client.get_run(run_id).data.params
        for batch in chunks((row for row in rows if row.key not in known), PARAMETERS_A_CALL):
            self.client.log_batch(run_id, params=batch)

    def _send_inputs(self, run_id: str, inputs: Mapping[str, Mapping[str, str]]) -> None:
        from mlflow.entities import Dataset, DatasetInput

        datasets = [
            Dataset(name, reference["sha256"][:DIGEST_LENGTH], "local", reference["path"])
            for name, reference in inputs.items()
        ]
        if datasets:
            self.client.log_inputs(run_id, datasets=[DatasetInput(item) for item in datasets])

    def finish(self, records: list[Mapping[str, Any]], artefacts: list[Path]) -> None:
        """Closes the parent run: its time span, its job counts and what people open first."""
        end = max((record["end"] or record["start"] for record in records), default=0.0)
        for state in STATES:
            count = sum(state_of(record) == STATES[state] for record in records)
            self.client.log_metric(self.parent, f"jobs_{state}", count, int(end * 1000), 0)
        for artefact in artefacts:
            self.client.log_artifact(self.parent, str(artefact))
        good = all(record["state"] == "finished" for record in records)
        status = "FINISHED" if good else "FAILED"
        self.client.set_terminated(self.parent, status=status, end_time=int(end * 1000))


def allowed(name: str) -> str:
    """Returns a name in the characters that MLflow accepts: ``chrf++`` becomes ``chrfpp``."""
    return re.sub(r"[^\w\-. :/]", "_", name.replace("+", "p"), flags=re.ASCII)


def state_of(record: Mapping[str, Any]) -> str:
    """Returns MLflow's name of a record's state; a dead process' ``running`` is ``KILLED``."""
    if record["state"] == "running" and not is_alive(record["host"]):
        return "KILLED"
    return STATES[record["state"]]


def is_alive(host: Mapping[str, Any]) -> bool:
    """Tells whether a record's process may still run; other machines get the benefit of doubt."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    if os.uname().nodename != host["name"]:
        return True
    if boot.exists() and boot.read_text().strip() != host["boot"]:
        return False
    try:
        os.kill(host["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def chunks(items: Iterator[Any] | list[Any], size: int) -> Iterator[list[Any]]:
    """Yields the items in lists of at most ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
