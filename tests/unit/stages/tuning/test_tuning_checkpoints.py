"""Checkpoints: the newest that verifies wins, damaged ones are set aside and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from bayling_study.core.files import read_json, write_json
from bayling_study.stages.tuning import checkpoints
from bayling_study.stages.tuning.checkpoints import Checkpoints, Manifest, seal


def save(store: Checkpoints, step: int) -> Path:
    scratch = store.prepare(step)
    (scratch / "engine").mkdir()
    (scratch / "engine" / "weights.pt").write_bytes(bytes([step]) * 100)
    (scratch / "latest").write_text("engine")
    manifest = Manifest(step, step * 4, 2, 5, "data", "code", seal(scratch))
    return store.commit(manifest)


@pytest.fixture
def store(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path, keep=3)


def test_the_newest_is_found_and_the_oldest_go(store: Checkpoints) -> None:
    for step in (2, 9, 10, 100):
        save(store, step)
    manifest, notes = store.newest("data")
    assert manifest is not None
    assert (manifest.step, manifest.position, manifest.processes) == (100, 400, 2)
    assert notes == []
    assert [path.name for path in store.all()] == [checkpoints.name(n) for n in (9, 10, 100)]


def test_nothing_is_found_in_an_empty_folder(store: Checkpoints) -> None:
    assert store.newest("data") == (None, [])


def flip(path: Path) -> None:
    value = bytearray((path / "engine" / "weights.pt").read_bytes())
    value[50] ^= 1
    (path / "engine" / "weights.pt").write_bytes(value)


def cut(path: Path) -> None:
    (path / "engine" / "weights.pt").write_bytes(b"short")


def lose(path: Path) -> None:
    (path / "latest").unlink()


def lose_manifest(path: Path) -> None:
    (path / checkpoints.MANIFEST).unlink()


def half_manifest(path: Path) -> None:
    (path / checkpoints.MANIFEST).write_text('{"step": 3, "fi')


def old_manifest(path: Path) -> None:
    values = read_json(path / checkpoints.MANIFEST)
    del values["data"]
    write_json(path / checkpoints.MANIFEST, values)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "is damaged"),
        (cut, "in place of 100"),
        (lose, "is missing"),
        (lose_manifest, "does not exist"),
        (half_manifest, "not valid JSON"),
        (old_manifest, "manifest is incomplete"),
    ],
)
def test_a_damaged_one_is_set_aside(store: Checkpoints, damage: object, reason: str) -> None:
    save(store, 1)
    damage(save(store, 2))  # type: ignore[operator]
    manifest, notes = store.newest("data")
    assert manifest is not None
    assert manifest.step == 1
    assert len(notes) == 1
    assert reason in notes[0]
    assert (store.folder / "damaged-step-00000002" / "engine").is_dir()


def test_one_of_other_conversations_is_set_aside(store: Checkpoints) -> None:
    save(store, 1)
    manifest, notes = store.newest("other")
    assert manifest is None
    assert "learnt from other conversations" in notes[0]
    assert (store.folder / "damaged-step-00000001").is_dir()


def test_two_damaged_ones_of_one_step_keep_different_names(store: Checkpoints) -> None:
    for _ in range(2):
        flip(save(store, 2))
        store.newest("data")
    names = sorted(path.name for path in store.folder.iterdir())
    assert names == ["damaged-step-00000002", "damaged-step-00000002-2"]


def test_a_killed_save_leaves_nothing_that_counts(store: Checkpoints) -> None:
    save(store, 1)
    (store.prepare(2) / "half").write_text("x")
    manifest, notes = store.newest("data")
    assert manifest is not None
    assert (manifest.step, notes) == (1, [])
    save(store, 3)
    assert not store.scratch(2).exists()


def test_processes_share_the_sealing(store: Checkpoints) -> None:
    scratch = store.prepare(1)
    for number in range(5):
        (scratch / f"shard{number}").write_text(str(number))
    parts = [seal(scratch, part, 2) for part in range(2)]
    assert [len(part) for part in parts] == [3, 2]
    assert sorted(parts[0] + parts[1], key=lambda file: file.path) == seal(scratch)


def test_a_foreign_temporary_file_is_no_checkpoint(store: Checkpoints) -> None:
    save(store, 4)
    (store.folder / ".step-00000009.tmp").mkdir()
    assert [path.name for path in store.all()] == ["step-00000004"]
