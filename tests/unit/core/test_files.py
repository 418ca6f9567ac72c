"""Files appear whole or not at all."""

import os
import platform
import stat
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import save_file

from bayling_study.core.errors import StudyError
from bayling_study.core.files import (
    atomic_directory,
    atomic_file,
    read_json,
    read_jsonl,
    sha256_path,
    temporary_name,
    write_json,
    write_jsonl,
    write_text,
)


def test_an_error_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), atomic_file(path) as stream:
        stream.write("half")
        raise RuntimeError
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_killed_writer_leaves_the_old_folder(tmp_path):
    target = tmp_path / "model"
    with atomic_directory(target) as scratch:
        (scratch / "weights").write_text("old")
    program = (
        "import sys, time; from pathlib import Path\n"
        "from bayling_study.core.files import atomic_directory\n"
        "with atomic_directory(Path(sys.argv[1])) as scratch:\n"
        "    (scratch / 'weights').write_text('new'); print('ready', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    job = subprocess.Popen(
        [sys.executable, "-c", program, str(target)], stdout=subprocess.PIPE, env=environment
    )
    assert job.stdout is not None and job.stdout.readline() == b"ready\n"
    job.kill()
    job.wait()
    assert (target / "weights").read_text() == "old"


def test_a_folder_is_replaced_whole(tmp_path):
    for content in ("one", "two"):
        with atomic_directory(tmp_path / "d") as scratch:
            (scratch / content).write_text(content)
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["two"]
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": \n', r"rows\.jsonl:2"),
        (b'{"a": 1}\n\n', r"rows\.jsonl:2"),
        (b'{"a": NaN}\n', r"rows\.jsonl:1.*NaN"),
        (b'{"a": "\xff"}\n', "not UTF-8"),
    ],
)
def test_a_bad_row_is_named(tmp_path, content, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=message):
        list(read_jsonl(path))


def test_separators_inside_a_row_do_not_split_it(tmp_path):
    rows = [{"text": "a\u2028b\x85c\rd"}, {"text": "中文"}]
    assert write_jsonl(tmp_path / "r.jsonl", rows) == 2
    assert list(read_jsonl(tmp_path / "r.jsonl")) == rows


def test_a_missing_newline_at_the_end_is_accepted(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"a": 1}\n{"a": 2}')
    assert [row["a"] for row in read_jsonl(tmp_path / "r.jsonl")] == [1, 2]


def test_the_hash_of_a_folder_sees_names_and_contents(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = sha256_path(folder)
    (folder / "a").rename(folder / "b")
    assert sha256_path(folder) != first
    (folder / "b").rename(folder / "a")
    time.sleep(0.01)
    (folder / "a").touch()
    assert sha256_path(folder) == first


def test_files_of_a_folder_get_the_permissions_of_new_files(tmp_path):
    private, program, theirs = (tmp_path / name for name in ("private", "program", "theirs"))
    for path, mode in ((private, 0o600), (program, 0o711), (theirs, 0o600)):
        path.write_text("x")
        path.chmod(mode)
    mask = os.umask(0o027)
    try:
        with atomic_directory(tmp_path / "model") as folder:
            private.rename(folder / "sub")
            program.rename(folder / "program")
            os.link(theirs, folder / "hard")
            (folder / "soft").symlink_to(theirs)
    finally:
        os.umask(mask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.parent.glob("model/*")}
    assert modes == {"sub": 0o640, "program": 0o751, "hard": 0o600, "soft": 0o600}


def test_weights_of_a_result_are_for_those_who_may_read_the_rest(tmp_path):
    with atomic_directory(tmp_path / "model") as folder:
        save_file({"w": torch.ones(2)}, folder / "model.safetensors")
        write_text(folder / "config.json", "{}")
    modes = {path.stat().st_mode for path in (tmp_path / "model").iterdir()}
    assert len(modes) == 1


def test_a_link_is_followed(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "model").symlink_to(store)
    (tmp_path / "note.txt").symlink_to(store / "note.txt")
    write_text(tmp_path / "note.txt", "kept there")
    assert (store / "note.txt").read_text() == "kept there"
    with atomic_directory(tmp_path / "model") as folder:
        write_text(folder / "weights", "1")
    assert (tmp_path / "model").is_symlink()
    assert [path.name for path in store.iterdir()] == ["weights"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "note.txt", "store"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a device")
def test_a_device_is_not_replaced(tmp_path):
    device = tmp_path / "null"
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with pytest.raises(StudyError, match="a device"):
        write_text(device, "gone")
    assert stat.S_ISCHR(device.stat().st_mode)


def test_names_beside_a_file_are_of_one_process_of_one_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 4711)
    names = {temporary_name(tmp_path / "out", "tmp") for _ in range(1000)}
    assert len(names) == 1000
    assert all(platform.node()[:8] in path.name for path in names)
