"""What a job may write over, and what counts as a result that somebody changed."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from bayling_study.core.errors import StudyError
from bayling_study.core.files import (
    atomic_directory,
    read_json,
    sha256_path,
    write_json,
    write_text,
)
from bayling_study.shared.tracking import inputs
from bayling_study.shared.tracking.record import run_record


@pytest.fixture(autouse=True)
def forget(monkeypatch, tmp_path):
    """Works in a folder of its own; each job reads the records anew."""
    monkeypatch.chdir(tmp_path)
    inputs._written.cache_clear()


def job(monkeypatch, stage, name, out, *read, record=None, study="results/one"):
    """Runs a job that writes a folder with two files and a record."""
    inputs._written.cache_clear()
    record = record or f"{study}/runs/{stage}/{name}.json"
    monkeypatch.setattr(sys, "argv", ["job", "--record", record, "--out", out])
    monkeypatch.setattr(sys, "orig_argv", sys.argv)
    with run_record(Path(record), stage, name, "one", "c0de") as run:
        for path in read:
            run.input("model", Path(path))
        with atomic_directory(Path(out)) as folder:
            write_text(folder / "weights", "1 2 3")
            write_text(folder / "config.json", "{}")
        run.output("model", Path(out))
    return read_json(Path(record))


def read(monkeypatch, path, study="results/one"):
    """Runs a job that reads a path and writes elsewhere."""
    return job(monkeypatch, "export", "small", f"{study}/export/small", path, study=study)


TUNED = "results/one/tuning/tuned"


def test_a_record_lists_the_files_of_a_folder(monkeypatch):
    output = job(monkeypatch, "tuning", "tuned", TUNED)["outputs"]["model"]
    assert sorted(output["files"]) == ["config.json", "weights"]
    assert output["sha256"] == sha256_path(Path(TUNED))


@pytest.mark.parametrize(
    "name",
    [".nfs000000000012ab00000001", ".DS_Store", "._weights", "Thumbs.db",
     ".ipynb_checkpoints/weights-checkpoint", ".snakemake_timestamp"],
)  # fmt: skip
def test_files_that_systems_leave_are_no_damage(monkeypatch, name):
    job(monkeypatch, "tuning", "tuned", TUNED)
    before = sha256_path(Path(TUNED))
    write_text(Path(TUNED) / name, "left behind")
    read(monkeypatch, TUNED)
    assert sha256_path(Path(TUNED)) == before


@pytest.mark.parametrize("name", ["notes.txt", "old/weights", ".nfs", "nfs0001", "DS_Store"])
def test_an_added_file_is_named_and_the_training_stays(monkeypatch, name):
    job(monkeypatch, "tuning", "tuned", TUNED)
    write_text(Path(TUNED) / name, "mine")
    with pytest.raises(StudyError, match="somebody else") as caught:
        read(monkeypatch, TUNED)
    assert caught.value.where.endswith(f"tuned/{name}")
    assert "rm -r" not in caught.value.render()
    source, target = caught.value.fix.splitlines()[-1].removeprefix("mv ").split()
    shutil.move(source, target)
    for empty in Path(TUNED).glob("old"):
        empty.rmdir()
    read(monkeypatch, TUNED)


def test_a_changed_and_a_lost_file_are_named(monkeypatch):
    job(monkeypatch, "tuning", "tuned", TUNED)
    write_text(Path(TUNED) / "weights", "1 2 4")
    with pytest.raises(StudyError, match="not what its job wrote") as caught:
        read(monkeypatch, TUNED)
    assert caught.value.where.endswith("tuned/weights")
    with pytest.raises(StudyError, match="not what its job wrote"):
        read(monkeypatch, f"{TUNED}/weights")
    (Path(TUNED) / "weights").unlink()
    with pytest.raises(StudyError, match="is gone") as caught:
        read(monkeypatch, TUNED)
    assert caught.value.where.endswith("tuned/weights")


def test_a_folder_that_holds_results_is_compared_file_by_file(monkeypatch):
    job(monkeypatch, "generation", "tuned", "results/one/generation/tuned")
    write_text(Path("results/one/generation/tuned/config.json"), "[]")
    with pytest.raises(StudyError, match="not what its job wrote") as caught:
        read(monkeypatch, "results/one/generation")
    assert caught.value.where.endswith("generation/tuned/config.json")


@pytest.mark.parametrize("place", ["results/two", "elsewhere/results/one", "kept"])
def test_a_result_that_was_moved_is_compared_still(monkeypatch, place):
    job(monkeypatch, "tuning", "tuned", TUNED)
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    shutil.move("results/one", place)
    read(monkeypatch, f"{place}/tuning/tuned", study=place)
    write_text(Path(place) / "tuning/tuned/weights", "1 2 4")
    with pytest.raises(StudyError, match="not what its job wrote"):
        read(monkeypatch, f"{place}/tuning/tuned", study=place)


def test_records_without_lists_of_files_still_tell_damage(monkeypatch):
    record = job(monkeypatch, "tuning", "tuned", TUNED)
    del record["outputs"]["model"]["files"]
    write_json(Path("results/one/runs/tuning/tuned.json"), record)
    read(monkeypatch, TUNED)
    write_text(Path(TUNED) / "weights", "1 2 4")
    with pytest.raises(StudyError, match="not what its job wrote"):
        read(monkeypatch, TUNED)


@pytest.mark.parametrize("out", [TUNED, "results/one/tuning", f"{TUNED}/small", "link"])
def test_a_job_does_not_write_over_around_or_into_what_it_reads(monkeypatch, out):
    Path(TUNED).mkdir(parents=True)
    write_text(Path(TUNED) / "weights", "1 2 3")  # a user's own: no record claims it
    Path("link").symlink_to(TUNED)
    with pytest.raises(StudyError, match="would be replaced") as caught:
        job(monkeypatch, "export", "small", out, TUNED)
    assert caught.value.where == f"--out {out}"
    assert (Path(TUNED) / "weights").read_text() == "1 2 3"
    assert read_json(Path("results/one/runs/export/small.json"))["state"] == "failed"


@pytest.mark.parametrize("record", ["results/one/runs/export/small.json", "my-record.json"])
@pytest.mark.parametrize("out", [TUNED, "results/one/tuning", f"{TUNED}/small"])
def test_a_job_does_not_replace_what_another_made(monkeypatch, out, record):
    job(monkeypatch, "tuning", "tuned", TUNED)
    before = sha256_path(Path(TUNED))
    with pytest.raises(StudyError, match="another job wrote results/one/tuning/tuned"):
        job(monkeypatch, "export", "small", out, record=record)
    assert sha256_path(Path(TUNED)) == before
    assert not Path(record).exists()


def test_a_job_replaces_its_own_earlier_output(monkeypatch):
    job(monkeypatch, "tuning", "tuned", TUNED)
    assert job(monkeypatch, "tuning", "tuned", TUNED)["state"] == "finished"


@pytest.mark.parametrize("content", ["", "a text", '{"some": "json"}'])
def test_a_record_replaces_records_only(monkeypatch, content):
    write_text(Path("mine.json"), content)
    with pytest.raises(StudyError, match="a run record would replace it"):
        job(monkeypatch, "tuning", "tuned", TUNED, record="mine.json")
    assert Path("mine.json").read_text() == content


@pytest.mark.parametrize("way", ["record", "out"])
def test_a_pipe_is_not_replaced(monkeypatch, way):
    os.mkfifo("pipe")
    named = {"record": "pipe"} if way == "record" else {}
    with pytest.raises(StudyError, match="a device, a pipe or a socket"):
        job(monkeypatch, "tuning", "tuned", "pipe" if way == "out" else TUNED, **named)
    assert Path("pipe").is_fifo()
