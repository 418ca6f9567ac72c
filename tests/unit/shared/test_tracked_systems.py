"""What MLflow shows of a study first: its own run, and one run a system, with scores and tables."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bayling_study.commands.why.chain import RunIds
from bayling_study.core.files import read_json, write_json, write_text
from bayling_study.core.records import read_scores, write_scores
from bayling_study.shared.tracking.jobs import RecordedJob, study_jobs
from bayling_study.shared.tracking.mlflow_store import Store, send_study
from bayling_study.shared.tracking.record import RunRecord
from bayling_study.shared.tracking.target import Target, default_uri
from helpers import report_study


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study with a report and the records of a tuned system's jobs, in MLflow."""
    study = tmp_path_factory.mktemp("systems") / "small"
    made = report_study.make(study)
    shutil.rmtree(study / "runs")
    settings = study / "settings" / "report-1.json"
    write_json(settings, json.loads(made.config.model_dump_json(include={"study", "systems"})))
    values = {"tuning": {"learning_rate": 2e-5}}, {"loss": 0.5}
    write_record(study, "tuning", "tuned", *values)
    write_record(study, "generation", "tuned", {"backend": "transformers"}, {"answers": 4.0})
    write_record(study, "scoring", "tuned", {}, {"translation.zh-en.chrf2": -1.0})
    report = write_record(study, "report", "report", {}, {})
    told = {"path": str(settings), "sha256": ""}
    write_json(report, read_json(report) | {"settings": told})
    for name in ("index.html", "answers.html", "verdicts.tsv"):
        write_text(study / "report" / name, f"<p>{name}</p>")
    write_json(study / "report" / "verdict.json", {"sentences": ["tuned is better (t)."]})
    send(study)
    return study


@pytest.fixture
def study(finished: Path) -> Iterator[Path]:
    """The study where it is; what a test changes in it is put back."""
    kept = finished.with_name("kept")
    shutil.copytree(finished, kept, ignore=shutil.ignore_patterns("mlflow*"))
    yield finished
    for path in finished.iterdir():
        if path.is_dir() and not path.name.startswith("mlflow"):
            shutil.rmtree(path)
    shutil.copytree(kept, finished, dirs_exist_ok=True)
    shutil.rmtree(kept)
    send(finished)


def write_record(study: Path, stage: str, name: str, parameters: dict, metrics: dict) -> Path:
    record = RunRecord(study / "runs" / stage / f"{name}.json", stage, name, "small", "c0de")
    record.parameters(parameters)
    record.metrics(metrics)
    if stage == "tuning":
        write_text(study / "tuning" / "tuned" / "config.json", "{}")
        record.output("checkpoint", study / "tuning" / "tuned")
    record.close("finished")
    return record.path


def send(study: Path) -> int:
    return send_study(study, study_jobs(study), Target(default_uri(study), "small", None))


def runs_of_kind(study: Path, kind: str) -> dict:
    client = MlflowClient(tracking_uri=default_uri(study))
    experiment = client.get_experiment_by_name("small").experiment_id
    found = client.search_runs([experiment], f"tags.`bayling.kind` = '{kind}'")
    assert len({run.info.run_name for run in found}) == len(found)
    return {run.info.run_name: run for run in found}


def test_a_system_has_one_run_with_all_its_scores_and_what_its_jobs_measured(finished):
    systems = runs_of_kind(finished, "system")
    assert sorted(systems) == ["foundation", "tuned", "tuned-int8"]
    tuned = systems["tuned"]
    assert tuned.data.metrics == {
        "translation.zh-en.chrf2": 45.5,  # of the score file; the record's number is not asked
        "translation.de-en.chrf2": 10.0,
        "translation.zh-en.satisfaction.quotes": 50.0,
        "tuning.loss": 0.5,
        "generation.answers": 4.0,
    }
    assert tuned.data.params == {
        "tuning.learning_rate": "2e-05", "generation.backend": "transformers",
    }  # fmt: skip
    parent = runs_of_kind(finished, "study")["small"]
    assert tuned.data.tags["mlflow.parentRunId"] == parent.info.run_id
    job = runs_of_kind(finished, "job")["tuning/tuned"].info.run_id
    note = tuned.data.tags["mlflow.note.content"]
    assert f"/runs/{job})" in note and "[model small.tuned](#/models/small.tuned)" in note


def test_the_answers_are_a_table_that_mlflow_reads_back(finished, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(finished))  # load_table asks that one
    run = runs_of_kind(finished, "system")["tuned"].info.run_id
    client = MlflowClient(tracking_uri=default_uri(finished))
    experiment = client.get_run(run).info.experiment_id
    table = client.load_table(experiment, "answers/translation.json", [run])
    assert [*table.columns] == ["id", "item", "prompt", "reference", "answer", "chrf2"]
    assert [*table.iloc[1]] == [
        "zh-en/1", "zh-en", "translate 1", "the red house", "the green house", 10.0,
    ]  # fmt: skip
    assert len(table) == 4
    scores = client.load_table(experiment, "scores.json", [run])
    assert [*scores[["metric", "value", "low"]].iloc[0]] == ["chrf2", 45.5, 44.5]
    logged = client.get_run(run).data.tags["mlflow.loggedArtifacts"]
    assert {"path": "answers/translation.json", "type": "table"} in json.loads(logged)


def test_the_study_has_headline_scores_configuration_pages_and_links(finished):
    parent = runs_of_kind(finished, "study")["small"]
    metrics = parent.data.metrics
    assert metrics["tuned/translation.zh-en.chrf2"] == 45.5
    assert metrics["jobs_finished"] == 4.0
    assert "tuned/translation.zh-en.satisfaction.quotes" not in metrics  # no headline
    assert parent.data.params["systems.tuned.base"] == "foundation"
    client = MlflowClient(tracking_uri=default_uri(finished))
    pages = [item.path for item in client.list_artifacts(parent.info.run_id)]
    assert pages == ["answers.html", "index.html", "verdicts.tsv"]
    page = f"#/experiments/{parent.info.experiment_id}/runs"
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("- tuned is better (t).\n\n")
    assert f"[all answers]({page}/{parent.info.run_id}/artifacts/answers.html)" in note
    for name, run in runs_of_kind(finished, "system").items():
        assert f"[{name}]({page}/{run.info.run_id})" in note


def test_sending_again_changes_nothing(finished):
    before = [runs_of_kind(finished, kind) for kind in ("study", "system", "job")]
    assert send(finished) == 0
    after = [runs_of_kind(finished, kind) for kind in ("study", "system", "job")]
    ids = [[run.info.run_id for run in kind.values()] for kind in before]
    assert ids == [[run.info.run_id for run in kind.values()] for kind in after]


def test_a_score_that_is_gone_or_changed_is_not_shown_beside_the_new_one(study):
    path = study / "scoring/tuned/translation.json"
    first, *_ = read_scores(path)
    write_scores(path, [report_study.score("tuned", "chrf2", "zh-en", first.value - 5)])
    before = runs_of_kind(study, "system")
    send(study)
    after = runs_of_kind(study, "system")
    scores = {k: v for k, v in after["tuned"].data.metrics.items() if k.startswith("translation")}
    assert scores == {"translation.zh-en.chrf2": 40.5}
    assert after["foundation"].info.run_id == before["foundation"].info.run_id
    parent = runs_of_kind(study, "study")["small"]
    assert parent.data.metrics["tuned/translation.zh-en.chrf2"] == 40.5
    assert "tuned/translation.de-en.chrf2" not in parent.data.metrics
    for kind in ("system", "job"):  # the children have moved to the new parent
        for run in runs_of_kind(study, kind).values():
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id


def test_a_system_that_left_the_study_leaves_mlflow(study):
    settings = study / "settings" / "report-1.json"
    config = read_json(settings)
    del config["systems"]["tuned-int8"]
    write_json(settings, config)
    send(study)
    assert sorted(runs_of_kind(study, "system")) == ["foundation", "tuned"]


def test_an_experiment_that_was_deleted_by_hand_comes_back(study):
    client = MlflowClient(tracking_uri=default_uri(study))
    experiment = client.get_experiment_by_name("small").experiment_id
    client.delete_experiment(experiment)
    assert send(study) == 4
    assert client.get_experiment_by_name("small").lifecycle_stage == "active"
    assert len(runs_of_kind(study, "system")) == 3
    assert len(runs_of_kind(study, "job")) == 4


def test_why_explains_the_run_of_a_study_and_of_a_system(finished):
    jobs: list[RecordedJob] = study_jobs(finished)
    ids = RunIds(finished)
    for kind, name, title in [
        ("study", "small", "report/report"),
        ("system", "tuned", "scoring/tuned"),
    ]:
        run = runs_of_kind(finished, kind)[name].info.run_id
        assert ids.job(run, jobs).title == title


def test_nothing_but_the_jobs_is_sent_while_one_runs(study):
    path = study / "runs" / "scoring" / "tuned.json"
    before = runs_of_kind(study, "system")["tuned"].info.run_id
    write_json(path, read_json(path) | {"state": "running", "end": None, "uid": "new"})
    (study / "scoring/tuned/translation.json").unlink()
    send(study)
    assert runs_of_kind(study, "system")["tuned"].info.run_id == before
    store = Store(default_uri(study), study)
    assert store.client.get_run(store.parent).info.status == "RUNNING"
