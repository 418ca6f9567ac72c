"""``make ui``: which page it names, which store it serves, and what it refuses."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow import MlflowClient

from bayling_study.commands import ui
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.core.network import free_port
from bayling_study.shared.tracking.jobs import study_jobs
from bayling_study.shared.tracking.mlflow_store import send_study
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.shared.tracking.target import target_of


def write_study(study: Path) -> Path:
    record = RunRecord(study / "runs/scoring/tuned.json", "scoring", "tuned", study.name, "c0de")
    record.metrics({"translation.zh-en.chrf2": 43.5})
    record.close("finished")
    return study


@pytest.fixture
def show(monkeypatch, capsys):
    """Returns what runs the command: its address, and the options of the server it becomes."""

    def shown(*arguments: object) -> tuple[str, list[str]]:
        started: list[str] = []
        monkeypatch.setattr(sys, "argv", ["ui", *map(str, arguments)])
        monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
        monkeypatch.setattr("os.execv", lambda program, command: started.extend(command))
        ui.main()
        return capsys.readouterr().out.splitlines()[-1], started

    return shown


def test_the_runs_page_of_a_study_is_named_and_its_store_is_served(show, tmp_path):
    study = write_study(tmp_path / "one")
    send_study(study, study_jobs(study), target_of(study))
    port = free_port()
    address, command = show("--study", study, "--port", port)
    experiment = MlflowClient(f"sqlite:///{study}/mlflow.db").get_experiment_by_name("one")
    assert address.split()[0] == (
        f"http://127.0.0.1:{port}/#/experiments/{experiment.experiment_id}/runs"
    )
    assert command[1:4] == ["-m", "mlflow", "server"]
    assert command[command.index("--backend-store-uri") + 1] == f"sqlite:///{study}/mlflow.db"
    assert command[-4:] == ["--host", "127.0.0.1", "--port", str(port)]
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_all_studies_are_brought_into_one_store(show, tmp_path):
    for name in ("one", "two"):
        write_study(tmp_path / name)
    (tmp_path / "notes").mkdir()  # no study
    address, command = show("--study", tmp_path / "one", "--all", "--port", free_port())
    assert f"sqlite:///{tmp_path}/mlflow.db" in command
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    ids = [client.get_experiment_by_name(name).experiment_id for name in ("one", "two")]
    page = f'compare-experiments/s?experiments=["{ids[0]}", "{ids[1]}"]'
    assert unquote(address.split("#/")[1]).startswith(page)
    runs = client.search_runs(ids, "tags.`bayling.kind` = 'job'")
    assert sorted(run.data.tags["bayling.job"] for run in runs) == ["scoring/tuned"] * 2
    assert not (tmp_path / "one" / "mlflow.db").exists()


def test_a_study_on_a_server_is_looked_at_there(show, tmp_path, monkeypatch):
    study = write_study(tmp_path / "one")
    server = "https://mlflow.example.org"
    write_json(study / "runs/mlflow.json", {"experiment": "bayling", "runs": 1, "uri": server})
    monkeypatch.setattr(ui, "runs_page", lambda uri, names: f"{uri} {names}")
    address, command = show("--study", study)
    assert address == f"{server}/#/{server} ['bayling']"
    assert command == []


def test_a_study_without_runs_or_a_port_that_is_taken_is_refused(show, tmp_path):
    study = tmp_path / "one"
    study.mkdir()
    with pytest.raises(StudyError, match="no MLflow runs yet"):
        show("--study", study, "--port", free_port())
    assert [*study.iterdir()] == []
    with pytest.raises(StudyError, match="no study with run records"):
        show("--study", study, "--all", "--port", free_port())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(StudyError, match=f"port {other.getsockname()[1]}"):
            show("--study", study, "--port", other.getsockname()[1])
