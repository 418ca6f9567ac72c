"""Where a study is: its jobs, its training, its queue, from files and squeue's answer."""

import os
import platform
import stat
import time
from pathlib import Path

import pytest

from bayling_study.commands.plan.jobs import job_names, record_of
from bayling_study.commands.status import cancel
from bayling_study.commands.status.__main__ import _lines_of, duration, jobs, status
from bayling_study.commands.status.queues import SCHEDULERS, queued, slurm_jobs, slurm_name
from bayling_study.config import load_config
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.dag.rules import Dag
from helpers import ROOT

BOOT = Path("/proc/sys/kernel/random/boot_id")
NOBODY = 2**22 + 1  # above Linux' largest process number


def record(study: Path, stage: str, name: str, **changes) -> None:
    host = {"name": platform.node(), "pid": os.getpid(), "scheduler_job": ""}
    host["boot"] = BOOT.read_text().strip() if BOOT.exists() else ""
    host |= changes.pop("host", {})
    values = {"stage": stage, "name": name, "state": "finished", "start": 1.0, "end": 2.0}
    write_json(study / f"runs/{stage}/{name}.json", values | {"host": host} | changes)


def state(study: Path, alive: set[str] | None = None) -> dict[str, str]:
    return {job.title: job.state for job in jobs(study, [], alive)}


def test_states_come_from_the_records(tmp_path):
    record(tmp_path, "corpora", "corpora")
    record(tmp_path, "tuning", "tuned", state="running", end=None)
    record(tmp_path, "export", "int8", state="failed", error="no room\nmore")
    (tmp_path / "runs/tuning/half.json").write_text("{")  # as a crash of a foreign tool leaves it
    assert state(tmp_path) == {
        "corpora/corpora": "finished",
        "tuning/tuned": "running",
        "export/int8": "failed",
    }


def test_a_job_whose_process_is_gone_is_lost(tmp_path):
    record(tmp_path, "tuning", "here", state="running", host={"pid": NOBODY})
    record(tmp_path, "tuning", "reboot", state="running", host={"boot": "another"})
    record(tmp_path, "tuning", "elsewhere", state="running", host={"name": "x", "pid": NOBODY})
    assert state(tmp_path) == {
        "tuning/here": "lost",
        "tuning/reboot": "lost",
        "tuning/elsewhere": "running",
    }


def test_a_job_that_left_the_queue_is_lost_only_where_the_queue_is_known(tmp_path):
    record(tmp_path, "tuning", "tuned", state="running", host={"scheduler_job": "7", "pid": 1})
    assert state(tmp_path, None)["tuning/tuned"] == "running"
    assert state(tmp_path, {"7"})["tuning/tuned"] == "running"
    assert state(tmp_path, {"8"})["tuning/tuned"] == "lost"


def test_a_failed_job_shows_its_error_and_log(tmp_path):
    record(tmp_path, "tuning", "tuned", state="failed", error="out of memory")
    log = tmp_path / "logs/tuning/tuned.log"
    log.parent.mkdir(parents=True)
    log.touch()
    text = "\n".join(_lines_of(jobs(tmp_path, [], None)[0]))
    assert "out of memory" in text and str(log) in text


def point(step: int) -> dict:
    values = {"loss": 2.0, "real_tokens_per_second": 100.0 * step, "seconds_left": 90.0}
    return {"step": step, "time": time.time() - 5, "values": values}


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """A squeue that answers with a file's lines; scancel empties it."""
    answer = tmp_path / "answer"
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, line in (("squeue", f"cat {answer}"), ("scancel", f': > {answer}; echo "$@"')):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def write(*rows: tuple[str, ...]) -> None:
        answer.write_text("".join("\x1f".join(row) + "\n" for row in rows))

    return write


def row(number: str, name: str, folder: Path, rule: str = "rule_tuning_wildcards_tuned"):
    return (number, name, "RUNNING", "0:10", "8:00:00", "n1", "None", str(folder.resolve()), rule)


def test_only_the_studys_own_jobs_are_its_queue(tmp_path, squeue):
    squeue(
        row("1", "bayling_tiny_uuid", tmp_path),
        row("2", "bayling_other_uuid", tmp_path),
        row("3", "bayling_tiny_uuid", tmp_path / "clone"),
        row("4", "somebody", tmp_path),
    )
    found = slurm_jobs("tiny", tmp_path)
    assert [(job.number, job.rule) for job in found] == [("1", "tuning tuned")]


def test_cancel_ends_exactly_these(tmp_path, squeue, monkeypatch, capfd):
    squeue(row("1", "bayling_tiny_uuid", tmp_path), row("9", "bayling_tiny2_x", tmp_path))
    monkeypatch.chdir(tmp_path)
    profile = str(ROOT / "config" / "profiles" / "slurm")
    monkeypatch.setattr("sys.argv", ["cancel", "--study", "tiny", "--profile", profile])
    cancel.main()
    text = capfd.readouterr().out
    assert "cancelling job 1 (tuning tuned)" in text and "1 jobs of tiny cancelled" in text
    assert "\n9\n" not in text


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("lsf", "bjobs"),
        ("generic", "the queue of your scheduler"),
    ],
)
def test_what_cannot_be_cancelled_is_not_started_twice(tmp_path, monkeypatch, name, command):
    monkeypatch.setenv("PATH", str(tmp_path))
    options = ["--study", "tiny", "--profile", str(ROOT / "config" / "profiles" / name)]
    monkeypatch.setattr("sys.argv", ["cancel", *options])
    with pytest.raises(StudyError, match="may still run") as caught:
        cancel.main()
    assert command in caught.value.render() and "GONE=yes" in caught.value.render()
    monkeypatch.setattr("sys.argv", ["cancel", *options, "--gone"])
    cancel.main()


def test_without_slurm_there_is_no_queue(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert queued("tiny", tmp_path) == (None, [])


def test_where_the_queue_cannot_be_asked_nothing_is_taken_for_gone(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StudyError, match="cannot be asked") as caught:
        cancel.cancel("tiny", SCHEDULERS["slurm"])
    assert "squeue" in caught.value.render()


def test_a_queue_that_does_not_answer_is_an_error_not_an_empty_queue(tmp_path, squeue, monkeypatch):
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\necho no controller >&2; exit 1\n")
    with pytest.raises(StudyError, match="no controller"):
        slurm_jobs("tiny", tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    assert queued("tiny", tmp_path) == (None, ["queue: squeue: no controller"])
    (tmp_path / "bin" / "condor_q").write_text("#!/bin/sh\n")  # another that has no job of it
    (tmp_path / "bin" / "condor_q").chmod(stat.S_IRWXU)
    assert queued("tiny", tmp_path) == ([], ["queue: squeue: no controller"])


@pytest.mark.parametrize(("name", "start"), [("replay-7b", "replay-7b"), ("a.b", "a-b")])
def test_names_of_jobs_are_as_the_plugin_allows(name, start):
    assert slurm_name(name) == f"bayling_{start}"


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s"), (200, "3:20 min"), (7500, "2:05 h")])
def test_durations(seconds, text):
    assert duration(seconds) == text


def embedded(tmp_path, monkeypatch) -> Dag:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", "")
    overlay = tmp_path / "overlay.yaml"
    places = f"results: {tmp_path}/results, resources: {tmp_path}/resources"
    overlay.write_text(f"study: {{{places}}}")
    return Dag(load_config(ROOT / "config/config.yaml", overlay))


def test_every_job_is_shown_begun_or_to_come(tmp_path, monkeypatch):
    dag = embedded(tmp_path, monkeypatch)
    for name in ("foundation", "tuned"):
        record(dag.layout.study, "generation", name)
    record(dag.layout.study, "perplexity", "tuned-int8", state="running", end=None)
    log = dag.layout.study / "logs/perplexity/tuned-int8.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "2026-11-28 15:00:00 perplexity tuned-int8: opinions of tuned: 2 of 9 rows in 00:04, x\n"
    )
    record(dag.layout.study, "export", "tuned-int8", state="failed", error="no room")
    lines = status(dag)
    assert lines[1] == "26 jobs: 2 finished, 1 running, 1 failed, 22 to come"
    text = " ".join(" ".join(lines).split())
    assert "failed: export/tuned-int8" in text
    assert "finished: generation/foundation 1 s" in text and "generation/tuned 1 s" in text
    coming = text.partition("to come: ")[2].split(", ")
    assert len(coming) == 22
    assert "opinions of tuned: 2 of 9 rows in 00:04, x" in text
    assert {"generation/tuned-int8", "comet/score", "track/track", "corpora/corpora"} <= {*coming}
    assert "Report" not in text


def test_a_finished_study_ends_with_its_result_and_report(tmp_path, monkeypatch):
    dag = embedded(tmp_path, monkeypatch)
    shared = {path.parent.name: path.stem for path in dag.layout.shared_records()}
    for rule, names in job_names(dag).items():
        for name in names:
            if rule != "track":
                stage, written = record_of(rule, name)
                record(dag.layout.study, stage, shared[stage] if stage == "foundation" else written)
    write_json(dag.layout.study / "runs/mlflow.json", {})
    write_json(dag.layout.study / "report/verdict.json", {"sentences": ["Tuning helps."]})
    (dag.layout.study / "report/index.html").touch()
    lines = status(dag)
    assert lines[1] == "26 jobs: 26 finished, 0 to come"
    assert lines[-3:] == ["Tuning helps.", "", f"Report: {dag.layout.study}/report/index.html"]


def test_a_queue_that_fails_is_one_line(tmp_path, monkeypatch):
    dag = embedded(tmp_path, monkeypatch)
    program = tmp_path / "squeue"
    program.write_text(
        "#!/bin/sh\necho 'error: no host' >&2\necho 'fatal: no source' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [line for line in status(dag) if "queue" in line] == ["queue: squeue: fatal: no source"]
