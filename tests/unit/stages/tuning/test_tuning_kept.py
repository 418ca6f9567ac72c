"""A second job of the same training: it takes the finished model, and never trains beside it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from bayling_study.shared.tracking.record import RunRecord
from bayling_study.stages.tuning import kept


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A finished model of two files, one in a folder."""
    folder = tmp_path / "tuning" / "tuned"
    (folder / "original").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "original" / "params.json").write_text("{}")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work" / "tuning" / "tuned" / "0123456789ab"
    folder.mkdir(parents=True)
    return folder


def record(tmp_path: Path, code: str = "c0de") -> RunRecord:
    return RunRecord(tmp_path / "record.json", "tuning", "tuned", "study", code)


def finish(tmp_path: Path, out: Path, work: Path) -> RunRecord:
    run = record(tmp_path)
    run.metrics({"loss": 1.5}, step=1)
    run.output("checkpoint", out)
    kept.keep(run, out, work)
    return run


def delete(out: Path) -> None:
    """Does what Snakemake does before it starts a job."""
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    out.rmdir()


def test_a_deleted_model_comes_back_with_the_measurements_of_its_training(tmp_path, out, work):
    first = finish(tmp_path, out, work)
    delete(out)
    second = record(tmp_path)
    assert kept.hand_over(second, out, work)
    second.output("checkpoint", out)
    assert second.data["outputs"] == first.data["outputs"]
    assert second.data["history"] == first.data["history"] != []
    assert "finished" in second.data["parameters"]["taken_from"]


def test_the_links_take_no_room(tmp_path, out, work):
    finish(tmp_path, out, work)
    assert (out / "model.safetensors").samefile(work / kept.FOLDER / "model.safetensors")


def test_a_model_of_other_code_is_trained_again(tmp_path, out, work):
    finish(tmp_path, out, work)
    delete(out)
    assert not kept.hand_over(record(tmp_path, "other"), out, work) and not out.exists()


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"Weights"), Path.unlink])
def test_damaged_links_are_not_handed_over(tmp_path, out, work, damage):
    finish(tmp_path, out, work)
    delete(out)
    damage(work / kept.FOLDER / "model.safetensors")
    assert not kept.hand_over(record(tmp_path), out, work) and not out.exists()


def test_nothing_kept_is_nothing_handed_over(tmp_path, out, work):
    assert not kept.hand_over(record(tmp_path), out, work)


def test_a_newer_training_replaces_what_other_settings_left(tmp_path, out, work):
    finish(tmp_path, out, work)
    other = work.with_name("ffffffffffff")
    other.mkdir()
    finish(tmp_path, out, other)
    assert not (work / kept.FOLDER).exists() and (other / kept.FOLDER).is_dir()


def test_a_file_system_without_hard_links_keeps_nothing_and_says_so(
    tmp_path, out, work, monkeypatch, caplog
):
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", refuse)
    with caplog.at_level(logging.WARNING):
        finish(tmp_path, out, work)
    assert "not kept as hard links" in caplog.text
    assert not (work / kept.FOLDER).exists() and not (work / kept.FACTS).exists()


def test_the_facts_are_plain_json(tmp_path, out, work):
    finish(tmp_path, out, work)
    facts = json.loads((work / kept.FACTS).read_text())
    assert sorted(facts["files"]) == ["model.safetensors", "original/params.json"]
