"""Tracking on a real MLflow server with a real PostgreSQL, both on loopback, under blows.

Eight jobs log at once; the server dies in the middle and comes back; one job is
killed and done again. Afterwards the store holds what the records hold: every
point once, every job once. The outage of two minutes is part of ``make test-faults``.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bayling_study.core.files import read_json
from bayling_study.shared.tracking.mlflow_store import Store
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.shared.tracking.target import default_uri
from helpers import ROOT
from helpers.servers import MlflowServer, postgres, why_no_postgres

JOB = ROOT / "tests" / "helpers" / "tracked_job.py"
JOBS = 8
OUTAGES = [3.0, pytest.param(120.0, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
"""Seconds."""

pytestmark = pytest.mark.slow


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "workflow"), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def start_job(study: Path, name: str, uri: str, stop: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(JOB), str(study), name, uri, str(stop)]
    return subprocess.Popen(command, env=environment())


PROGRAM = (sys.executable, "-m", "bayling_study.shared.tracking")


def sync(study: Path, uri: str) -> str:
    done = subprocess.run(
        [*PROGRAM, "--study", str(study), "--uri", uri],
        env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def wait_for(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    if reason := why_no_postgres():
        pytest.skip(reason)
    with postgres() as store:
        server = MlflowServer(store, tmp_path_factory.mktemp("server"))
        server.start()
        yield server
        server.stop()


@pytest.mark.parametrize("outage", OUTAGES)
def test_nothing_is_lost_or_doubled_under_blows(
    server: MlflowServer, tmp_path: Path, outage: float
) -> None:
    name = f"struck-{outage:.0f}"
    study, stop = tmp_path / name, tmp_path / "stop"
    names = [f"job-{number}" for number in range(JOBS)]
    jobs = {name: start_job(study, name, server.uri, stop) for name in names}
    records = {name: study / "runs" / "tuning" / f"{name}.json" for name in names}
    client = MlflowClient(tracking_uri=server.uri)

    def live_steps() -> dict[str, int]:
        """Returns the last step of each job that is on the server."""
        experiment = client.get_experiment_by_name(name)
        runs = client.search_runs([experiment.experiment_id]) if experiment else []
        steps = {}
        for run in runs:
            history = client.get_metric_history(run.info.run_id, "loss")
            steps[run.info.run_name] = max((point.step for point in history), default=-1)
        return steps

    wait_for(lambda: sum(step >= 0 for step in live_steps().values()) == JOBS)
    server.stop()
    jobs["job-0"].kill()
    jobs["job-0"].wait()
    killed = read_json(records["job-0"])
    time.sleep(outage)
    reached = len(read_json(records["job-1"])["history"])
    server.start()
    jobs["job-0"] = start_job(study, "job-0", server.uri, stop)
    wait_for(lambda: live_steps().get("tuning/job-1", -1) > reached)  # live again, by itself
    wait_for(lambda: read_json(records["job-0"])["uid"] != killed["uid"])
    stop.touch()
    assert [job.wait(timeout=300) for job in jobs.values()] == [0] * JOBS

    assert "8 runs, 8 sent" in sync(study, server.uri)
    assert "8 runs, 0 sent" in sync(study, server.uri)
    experiment = client.get_experiment_by_name(name).experiment_id
    runs = client.search_runs([experiment])
    assert sorted(run.data.tags["bayling.kind"] for run in runs) == ["job"] * JOBS + ["study"]
    for run in runs:
        if run.data.tags["bayling.kind"] == "study":
            assert run.data.metrics["jobs_finished"] == JOBS
            continue
        record = read_json(records[run.data.tags["bayling.job"].removeprefix("tuning/")])
        assert run.data.tags["bayling.uid"] == record["uid"] != killed["uid"]
        found = client.get_metric_history(run.info.run_id, "loss")
        expected = [(point["step"], point["values"]["loss"]) for point in record["history"]]
        assert [(point.step, point.value) for point in found] == expected
        assert run.info.status == "FINISHED"


def test_a_model_is_registered_once_with_signature_and_alias(
    server: MlflowServer, tmp_path: Path
) -> None:
    study = tmp_path / "models"
    path = study / "runs" / "tuning" / "tuned.json"
    (study / "tuning" / "tuned").mkdir(parents=True)
    (study / "tuning" / "tuned" / "README.md").write_text("# tuned")
    for attempt in (1, 2):
        record = RunRecord(path, "tuning", "tuned", "models", "c0de")
        record.output("checkpoint", study / "tuning" / "tuned")
        record.close("finished")
        for _ in range(2):
            Store(server.uri, study).sync(path)
        client = MlflowClient(tracking_uri=server.uri)
        versions = client.search_model_versions("name = 'models.tuned'")
        assert len(versions) == attempt
        current = client.get_model_version_by_alias("models.tuned", "current")
        assert current.tags["bayling.uid"] == record.data["uid"]
    files = [item.path for item in client.list_artifacts(current.run_id, "model")]
    assert files == ["model/MLmodel", "model/README.md"]
    described = client.download_artifacts(current.run_id, "model/MLmodel", str(tmp_path))
    assert "signature:" in Path(described).read_text()
    assert ".pkl" not in Path(described).read_text()


def test_a_locked_sqlite_store_is_waited_for(tmp_path: Path) -> None:
    study = tmp_path / "locked"
    store = Store(default_uri(study), study)
    record = RunRecord(study / "runs" / "tuning" / "tuned.json", "tuning", "tuned", "locked", "c0")
    record.metrics({"loss": 0.5}, step=0)
    record.close("finished")
    lock = sqlite3.connect(study / "mlflow.db", check_same_thread=False, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")  # longer than the five seconds that sqlite waits by itself
    release = threading.Timer(8, lambda: (lock.execute("COMMIT"), lock.close()))
    begin = time.monotonic()
    release.start()
    assert store.sync(record.path) is True
    assert time.monotonic() - begin > 5
    release.join()
    assert store.sync(record.path) is False
    assert len(store.runs("job")) == 1
    history = store.client.get_metric_history(store.runs("job")[0].info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 0.5)]
