"""Run records and their way into a real MLflow store (sqlite)."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.utils.validation import (
    MAX_ENTITY_KEY_LENGTH,
    _validate_length_limit,
    _validate_metric_name,
)
from pydantic import ValidationError

from bayling_study.commands.why.chain import RunIds
from bayling_study.config.loading import parse_config
from bayling_study.config.study import TrackingSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.tracking.__main__ import main as track
from bayling_study.shared.tracking.host import git_commit, is_alive, usable_cores
from bayling_study.shared.tracking.jobs import read_job
from bayling_study.shared.tracking.live import LiveRun
from bayling_study.shared.tracking.mlflow_store import (
    Store,
    reached,
    state_of,
)
from bayling_study.shared.tracking.record import RunRecord, flatten, run_record
from bayling_study.shared.tracking.sending import allowed
from bayling_study.shared.tracking.target import chosen_uri, default_uri, target_of
from bayling_study.shared.tracking.usage import (
    MOST_SAMPLES,
    Usage,
    memory_bytes,
    processor_seconds,
    rapl_joules,
    read_gpus,
    read_rapl,
)


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
    for name in ("mean.数学", "mean.история", "mean.naïve", "translation.zh-en.bleu-ja-mecab"):
        assert allowed(name) == name  # MLflow takes letters of all scripts


def test_metric_names_stay_different_and_readable():
    """Those of two Chinese categories became ``mean.__``, the later value replacing the first."""
    names = [
        "mean.数学",
        "mean.历史",
        "a,b",
        "a;b",
        "a_b",
        "a=b",
        "a+b",
        "apb",
        "mean.हिन्दी",
        "mean.हिन्दू",
    ]
    names += ["x/", "x", "x//y", "x/y", "x/./y", "../x", "/x", ".", "..", "", "é", "e\u0301"]
    names += ["long " * 60, "long " * 61, "chrf++", "chrf2"]
    sent = [allowed(name) for name in names]
    assert len(set(sent)) == len(names)
    for name in sent:
        _validate_metric_name(name)
        _validate_length_limit("Metric name", MAX_ENTITY_KEY_LENGTH, name)
    assert sent[2].startswith("a_b-") and sent[names.index("long " * 60)].startswith("long long")


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


def test_the_parent_run_is_described_by_the_verdict(study):
    store = Store(default_uri(study), study)
    store.finish([])
    assert "mlflow.note.content" not in store.client.get_run(store.parent).data.tags
    sentences = ["tuned is better (t).", "Limits: few."]
    write_json(study / "report/verdict.json", {"sentences": sentences})
    store.finish([])
    note = store.client.get_run(store.parent).data.tags["mlflow.note.content"]
    assert note == "- tuned is better (t).\n- Limits: few."


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
        "import sys; from pathlib import Path;"
        "from bayling_study.shared.tracking.mlflow_store import *;"
        "from bayling_study.shared.tracking.target import default_uri;"
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
    job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
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
    done, lengths = threading.Event(), []

    def read() -> None:
        """Reads again and again while the record is written."""
        while not done.is_set():
            lengths.append(len(json.loads(path.read_text())["history"]))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        try:
            for step in range(200):
                record.metrics({"loss": 1.0}, step=step)
                record.flush()
                assert len(json.loads(path.read_text())["history"]) == step + 1
        finally:
            done.set()
        reader.result()
    assert lengths and lengths == sorted(lengths)


def test_the_command_that_is_recorded_starts_the_program_again(tmp_path):
    (tmp_path / "shown.py").write_text(
        "from bayling_study.shared.tracking.host import command_line; print(*command_line())"
    )
    done = subprocess.run(
        [sys.executable, "-m", "shown", "--seed", "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "python -m shown --seed 1\n"


def test_a_commit_is_read_without_git(tmp_path):
    assert git_commit(tmp_path) == ""
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text("# pack-refs\naa11 refs/heads/main\nbb22 refs/heads/x\n")
    assert git_commit(tmp_path) == "aa11"
    (git / "refs" / "heads" / "main").write_text("cc33\n")
    assert git_commit(tmp_path) == "cc33"
    (git / "HEAD").write_text("dd44\n")
    assert git_commit(tmp_path) == "dd44"


def test_cores_are_counted_where_the_system_assigns_none(monkeypatch):
    """As on macOS, whose Python has no ``sched_getaffinity``."""
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == os.cpu_count()


def test_usage_counts_a_child_process(tmp_path):
    usage = Usage(seconds=3600)
    child = subprocess.Popen([sys.executable, "-c", "x = bytearray(64 << 20)\nwhile True: pass"])
    try:
        deadline = time.monotonic() + 240
        while processor_seconds(child.pid) < 0.5:
            assert time.monotonic() < deadline
        usage.sample()
        sample = usage.summary()["samples"][0]
        assert sample["cpu_percent"] > 1
        assert sample["memory_gib"] > memory_bytes(os.getpid()) / 2**31
    finally:
        child.kill()
        child.wait()
        usage.close()


def test_usage_keeps_few_samples_of_a_long_job():
    usage = Usage(seconds=3600)
    for _ in range(MOST_SAMPLES + 1):
        usage.sample()
    usage.close()
    assert len(usage.summary()["samples"]) == MOST_SAMPLES // 2
    assert usage._seconds == 7200


def test_the_gpus_of_a_job_are_read_from_nvidia_smi(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho \"$@\" >&2\nprintf '87, 1024, 300.5\\n[N/A], 10, [N/A]\\n'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert [gpu["utilization.gpu"] for gpu in read_gpus()] == [87.0, 0.0]
    usage = Usage(seconds=3600)
    usage.sample()
    usage.close()
    summary = usage.summary()
    assert summary["gpus"] == 1 and summary["energy_joules"]["gpu"] > 0
    assert summary["samples"][0]["gpu_watts"] == 300.5
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert read_gpus() == []


def test_the_energy_of_packages_survives_a_counter_that_begins_anew(tmp_path):
    package = tmp_path / "intel-rapl:0"
    (tmp_path / "intel-rapl:0:0").mkdir()
    assert read_rapl(tmp_path) == {}
    package.mkdir()
    (package / "max_energy_range_uj").write_text("10000000\n")
    (package / "energy_uj").write_text("9000000\n")
    start = read_rapl(tmp_path)
    (package / "energy_uj").write_text("1000000\n")
    assert rapl_joules(start, read_rapl(tmp_path)) == 2.0


def test_a_run_is_tied_to_code_config_environment_and_scheduler(study, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    path = write_record(study)
    Store(default_uri(study), study).sync(path)
    tags = child_runs(study)[1][0].data.tags
    assert tags["bayling.code"] == "c0de" and tags["bayling.scheduler_job"] == "4711"
    assert len(tags["bayling.environment"]) == 16
    assert str(path) in tags["mlflow.note.content"]


def test_samples_of_the_machine_become_system_metrics(study):
    path = write_record(study)
    record = read_json(path)
    record["usage"] = {"samples": [{"time": 1001.0, "cpu_percent": 150.0}], "gpus": 0}
    record["usage"]["energy_joules"] = {"cpu": 3.6e6}
    write_json(path, record)
    Store(default_uri(study), study).sync(path)
    metrics = child_runs(study)[1][0].data.metrics
    assert metrics["system/cpu_percent"] == 150.0
    assert metrics["energy_cpu_kwh"] == 1.0


def test_a_store_that_is_down_is_one_message_and_later_is_a_warning(study, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    write_record(study)
    command = ["track", "--study", str(study), "--uri", "http://127.0.0.1:9"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(StudyError, match="make track"):
        track()
    out = study / "runs" / "mlflow.json"
    monkeypatch.setattr(sys, "argv", [*command, "--later", "--out", str(out)])
    track()
    assert "warning" in capsys.readouterr().err
    assert "failed" in read_json(out)["pending"]


def test_a_password_in_the_environments_uri_is_refused(study, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:hunter2@mlflow.example.org")
    with pytest.raises(StudyError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        chosen_uri(None, study)
    assert "hunter2" not in str(refused.value)


def test_databricks_is_named_by_configuration():
    with pytest.raises(ValidationError, match="/Shared/NAME"):
        TrackingSection(uri="databricks://me")
    named = TrackingSection(uri="databricks://me", experiment="/Shared/bayling")
    assert named.experiment == "/Shared/bayling"
    with pytest.raises(ValidationError, match="begins with one of"):
        TrackingSection(uri="/tmp/mlruns")


def running_record(study: Path, pid: int, samples: int = 2) -> Path:
    """Writes the record of a job that is not over, with samples of its machine."""
    path = write_record(study)
    record = read_json(path) | {"state": "running", "end": None}
    record["host"]["pid"] = pid
    taken = [{"time": 1000.0 + n, "cpu_percent": 50.0 + n} for n in range(samples)]
    record["usage"] = {"samples": taken, "gpus": 0, "energy_joules": {"cpu": 3.6e6}}
    write_json(path, record)
    return path


def test_a_job_that_is_killed_after_a_sync_is_killed_in_the_next(study):
    job = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    path = running_record(study, job.pid)
    store = Store(default_uri(study), study)
    assert store.sync(path) is True
    assert store.sync(path) is False
    assert child_runs(study)[1][0].info.status == "RUNNING"
    job.kill()
    job.wait()
    assert store.sync(path) is True  # the record itself is as it was
    assert child_runs(study)[1][0].info.status == "KILLED"


def test_syncing_a_running_job_doubles_nothing(study):
    path = running_record(study, os.getpid())
    store = Store(default_uri(study), study)
    for kept in (2, 1):  # meanwhile the samples were thinned
        record = read_json(path)
        record["usage"]["samples"] = record["usage"]["samples"][-kept:]
        record["host"]["peak_memory_bytes"] = kept
        write_json(path, record)
        assert store.sync(path) is True
        store.finish([read_job(path)])
        run = child_runs(study)[1][0]
        assert run.data.metrics == {"loss": 1 / 3}
        assert run.data.params["tuning.learning_rate"] == "2e-05"
        assert (run.info.status, run.info.end_time) == ("RUNNING", None)
        assert store.client.get_run(store.parent).info.status == "RUNNING"
    write_json(path, read_json(path) | {"state": "finished", "end": 1010.0})
    assert store.sync(path) is True
    store.finish([read_job(path)])
    client, (run,) = child_runs(study)
    for metric in ("system/cpu_percent", "seconds", "energy_cpu_kwh", "final_loss"):
        assert len(client.get_metric_history(run.info.run_id, metric)) == 1, metric
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
    parent = client.get_run(store.parent)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["jobs_finished"] == 1 and parent.data.metrics["jobs_running"] == 0


def test_a_database_that_is_down_is_one_message_and_later_is_a_warning(study, monkeypatch, capsys):
    """MLflow's own retries take two minutes; here they take no time."""
    pytest.importorskip("psycopg2")
    monkeypatch.setattr("mlflow.store.db.utils.time.sleep", lambda _: None)
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    write_record(study)
    command = ["track", "--study", str(study), "--uri", "postgresql://u@127.0.0.1:9/x"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(StudyError, match="Connection refused") as refused:
        track()
    assert "\n" not in refused.value.what and "hunter2" not in refused.value.render()
    out = study / "runs" / "mlflow.json"
    monkeypatch.setattr(sys, "argv", [*command, "--later", "--out", str(out)])
    track()
    assert "refused" in read_json(out)["pending"]


def test_a_database_error_tells_no_password_and_needs_no_driver(monkeypatch):
    from sqlalchemy.exc import ProgrammingError

    for error in (
        ProgrammingError("x", {}, Exception("bad: postgresql://u:hunter2@h/x password=hunter2")),
        ModuleNotFoundError("No module named 'MySQLdb'"),
    ):
        with pytest.raises(StudyError, match="tracking store failed") as told, reached("uri"):
            raise error
        assert "hunter2" not in told.value.render()


def test_the_experiment_is_found_again_where_the_workflow_put_it(study, monkeypatch):
    """``make track`` knows the study's folder only; a second experiment would double all."""
    write_record(study)
    out = study / "runs" / "mlflow.json"
    named = ["--experiment", "/Shared/demo", "--later", "--out", str(out)]
    for options in (named, []):
        monkeypatch.setattr(sys, "argv", ["track", "--study", str(study), *options])
        track()
    client = MlflowClient(tracking_uri=default_uri(study))
    experiments = {e.name: e.experiment_id for e in client.search_experiments()}
    runs = client.search_runs(list(experiments.values()), "tags.`bayling.kind` = 'job'")
    assert [run.info.experiment_id for run in runs] == [experiments["/Shared/demo"]]
    assert RunIds(study).of(read_json(next(study.glob("runs/*/*.json")))) == runs[0].info.run_id


def test_what_is_pending_knows_its_experiment(study, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "/Shared/demo")
    write_record(study)
    out = study / "runs" / "mlflow.json"
    down = "http://127.0.0.1:9"
    options = ["--study", str(study), "--uri", down, "--later", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["track", *options])
    track()
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    target = target_of(study)
    assert "pending" in read_json(out)
    assert (target.uri, target.experiment) == (down, "/Shared/demo")
    other = target_of(study, "http://elsewhere.example.org")
    assert other.experiment == study.name


@pytest.mark.parametrize(
    ("uri", "refused"),
    [
        ("postgresql://me:s3cret@db/x", True),
        ("postgresql+psycopg2://me:s3/cr#t@db/x", True),
        ("postgresql://me@db/x?password=s3cret", True),
        ("postgresql://me@db/x?sslmode=require&SSLPassword=s3cret", True),
        ("mysql://me@db/x?p%61sswd=s3cret", True),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Ds3cret", True),
        ("https://s3cret@mlflow.example.org", True),
        ("https://mlflow.example.org/?token=s3cret", True),
        ("databricks://s3cret@host", True),
        ("postgresql://me@db:5432/x?sslmode=verify-full&sslrootcert=/ca.pem", False),
        ("https://mlflow.example.org:5000/path", False),
        ("databricks://PROFILE", False),
        ("sqlite:////data/a:b@c/mlflow.db", False),
    ],
)
def test_a_secret_in_a_tracking_uri_is_refused_wherever_it_stands(tmp_path, uri, refused):
    values = {"study": {"name": "x"}, "tracking": {"uri": uri, "experiment": "/Shared/x"}}
    if not refused:
        assert chosen_uri(uri, tmp_path) == uri
        assert TrackingSection(uri=uri, experiment="/Shared/x").uri == uri
        return
    for check in (lambda: chosen_uri(uri, tmp_path), lambda: parse_config(values)):
        with pytest.raises(StudyError, match="password or token") as told:
            check()
        assert "s3" not in told.value.render()
