"""Run records and their way into a real MLflow store (sqlite)."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bayling_study.files import read_json, write_json
from bayling_study.tracking.live import LiveRun
from bayling_study.tracking.mlflow_store import Store, allowed, default_uri, is_alive, state_of
from bayling_study.tracking.record import RunRecord, flatten, run_record


@pytest.fixture(scope="module")
def template_store(tmp_path_factory):
    """An empty, migrated store: creating one costs seconds, copying it nothing."""
    study = tmp_path_factory.mktemp("template") / "demo"
    Store(default_uri(study), study)
    return study / "mlflow.db"


@pytest.fixture
def study(tmp_path, template_store):
    folder = tmp_path / "demo"
    folder.mkdir()
    shutil.copy(template_store, folder / "mlflow.db")
    return folder


def write_record(study: Path, name: str = "tuned", points: int = 3, start: float = 1000.0) -> Path:
    path = study / "runs" / "tuning" / f"{name}.json"
    record = RunRecord(path, "tuning", name, "demo", "c0de")
    record.data["start"] = start
    record.parameters({"tuning": {"learning_rate": 2e-5}})
    record.data["history"] = [
        {"step": step, "time": start + step, "values": {"loss": 1.0 / (step + 1)}}
        for step in range(points)
    ]
    record.metrics({"final_loss": 0.25, "loss": 1.0 / points})
    record.close("finished")
    return path


def child_runs(study: Path, view: int = 1):
    client = MlflowClient(tracking_uri=default_uri(study))
    experiment = client.get_experiment_by_name("demo")
    return client, client.search_runs(
        [experiment.experiment_id], "tags.`bayling.kind` = 'job'", run_view_type=view
    )


def test_nested_parameters_become_dotted_keys():
    assert flatten({"a": {"b": {"c": 1}}, "d": [2]}) == {"a.b.c": 1, "d": [2]}


def test_metric_names_become_acceptable_to_mlflow():
    assert allowed("translation.zh-en.chrf++") == "translation.zh-en.chrfpp"
    assert allowed("a,b=中") == "a_b__"


def test_a_failed_job_leaves_its_error_in_the_record(tmp_path):
    path = tmp_path / "runs" / "x" / "y.json"
    with pytest.raises(ZeroDivisionError), run_record(path, "x", "y", "demo", "c0de"):
        1 / 0  # noqa: B018
    record = read_json(path)
    assert record["state"] == "failed"
    assert "ZeroDivisionError" in record["error"]


def test_a_job_that_cannot_write_its_record_does_not_start(tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with (
        pytest.raises(OSError, match="runs"),
        run_record(tmp_path / "runs" / "x" / "y.json", "x", "y", "demo", "c0de"),
    ):
        pytest.fail("the job began")


def test_sync_twice_changes_nothing(study):
    path = write_record(study)
    store = Store(default_uri(study), study)
    assert store.sync(path) is True
    assert store.sync(path) is False
    client, runs = child_runs(study)
    assert len(runs) == 1
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.params["tuning.learning_rate"] == "2e-05"
    assert runs[0].data.metrics["final_loss"] == 0.25
    history = client.get_metric_history(runs[0].info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]


def test_a_repeated_job_replaces_its_run(study):
    store = Store(default_uri(study), study)
    store.sync(write_record(study, points=2))
    store.sync(write_record(study, points=4, start=2000.0))
    client, runs = child_runs(study)
    assert len(runs) == 1
    assert len(client.get_metric_history(runs[0].info.run_id, "loss")) == 4
    assert len(child_runs(study, view=2)[1]) == 1  # the earlier attempt is in the bin


def test_live_points_are_not_doubled_by_the_final_sync(study):
    path = write_record(study, points=3)
    live = LiveRun(default_uri(study), study, path, seconds=3600)
    live.push()
    live.close()
    Store(default_uri(study), study).sync(path)
    client, runs = child_runs(study)
    assert len(runs) == 1
    assert len(client.get_metric_history(runs[0].info.run_id, "loss")) == 3


def test_live_tracking_survives_a_store_that_is_down(study):
    path = write_record(study)
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    try:
        live = LiveRun("http://127.0.0.1:9", study, path, seconds=0.01)
        live.close()
        assert live._try_push() is False
    finally:
        del os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]


def test_two_processes_create_one_store_and_one_parent(study):
    program = (
        "import sys; from pathlib import Path; from bayling_study.tracking.mlflow_store import *;"
        "s = Path(sys.argv[1]); print(Store(default_uri(s), s).parent)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(study)], env=environment, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    parents = {job.communicate()[0].decode().strip() for job in jobs}
    assert [job.returncode for job in jobs] == [0, 0]
    assert len(parents) == 1


def test_the_record_of_a_killed_job_counts_as_killed(study):
    job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    path = write_record(study)
    record = read_json(path)
    record["state"], record["end"] = "running", None
    record["host"]["pid"] = job.pid
    write_json(path, record)
    assert is_alive(record["host"]) and state_of(record) == "RUNNING"
    job.kill()
    job.wait()
    assert state_of(record) == "KILLED"
    Store(default_uri(study), study).sync(path)
    assert child_runs(study)[1][0].info.status == "KILLED"


def test_records_are_whole_json_at_any_moment(tmp_path):
    path = tmp_path / "runs" / "x" / "y.json"
    record = RunRecord(path, "x", "y", "demo", "c0de")
    record.flush()
    start = time.monotonic()
    for step in range(200):
        record.metrics({"loss": 1.0}, step=step)
        record.flush()
        assert len(json.loads(path.read_text())["history"]) == step + 1
    assert time.monotonic() > start
