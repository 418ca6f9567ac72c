"""Another content than the lock's: what it was compared with, and the way to accept it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayling_study.config.study import DownloadSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.download.lock import Lock, lock_path, read_lock, write_lock
from helpers.download_cases import row
from helpers.download_server import Site, served


@pytest.fixture
def site() -> Iterator[Site]:
    with served({"/set.tsv": b"upstream\n"}) as running:
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "download" / "set-12345678"


def copy_of(tmp_path: Path, text: str) -> DownloadSection:
    path = tmp_path / "set.tsv"
    path.unlink(missing_ok=True)
    path.write_text(text)
    return DownloadSection(local={"set": str(path)})


def held(out: Path) -> str:
    return (out / "files" / "set.tsv").read_text()


def test_another_local_copy_names_the_lock_and_the_command_that_accepts_it(site, out, tmp_path):
    source = row("url", f"{site.url}/set.tsv")
    ensure(source, out, copy_of(tmp_path, "one\n"))
    with pytest.raises(StudyError, match="the lock of the first local copy says") as caught:
        ensure(source, out, copy_of(tmp_path, "two\n"))
    said = caught.value.render()
    assert "tampered" not in said
    assert "name an unchanged copy under download.local.set" in said
    command = said.rpartition("to take this content from now on: ")[2]
    assert command.split()[:3] == ["rm", "-f", str(lock_path(out))]
    subprocess.run(command, shell=True, check=True)
    ensure(source, out, copy_of(tmp_path, "two\n"))
    assert held(out) == "two\n"


def test_a_local_file_that_was_replaced_is_not_taken_for_complete(site, out, tmp_path):
    source = row("url", f"{site.url}/set.tsv")
    ensure(source, out, copy_of(tmp_path, "one\n"))
    before = read_json(out / "manifest.json")["listing"]
    lock_path(out).unlink()
    ensure(source, out, copy_of(tmp_path, "two\n"))
    assert read_json(out / "manifest.json")["listing"] != before


def test_a_download_after_a_local_copy_is_told_from_a_changed_upstream(site, out, tmp_path):
    source = row("url", f"{site.url}/set.tsv")
    ensure(source, out, copy_of(tmp_path, "one\n"))
    (out / "manifest.json").unlink()
    with pytest.raises(StudyError, match="the lock of the first local copy") as caught:
        ensure(source, out, DownloadSection())
    assert "the local copy that came first was another one" in caught.value.render()


def test_a_changed_upstream_is_suspicious_and_can_be_accepted(site, out, tmp_path):
    source = row("url", f"{site.url}/set.tsv")
    write_lock(lock_path(out), Lock("set", "", "0" * 64, 4))
    with pytest.raises(
        StudyError, match=r"expected 0+ by the lock of the first download"
    ) as caught:
        ensure(source, out, DownloadSection())
    said = caught.value.render()
    assert "tampered with" in said
    assert f"rm -f {lock_path(out)}" in said


def test_what_the_table_pins_has_no_lock_to_remove(site, out, tmp_path):
    source = row("url", f"{site.url}/set.tsv", sha256="0" * 64)
    with pytest.raises(StudyError, match=r"config/sources\.tsv says") as caught:
        ensure(source, out, copy_of(tmp_path, "one\n"))
    assert "a row of its own" in caught.value.render()
    assert "rm " not in caught.value.render()


def test_a_lock_says_whether_it_came_from_a_local_copy(tmp_path):
    for origin in ("", "local copy"):
        lock = Lock("set", "rev", "0" * 64, 4, origin)
        write_lock(tmp_path / "lock.tsv", lock)
        assert read_lock(tmp_path / "lock.tsv") == lock
    write_lock(tmp_path / "lock.tsv", Lock("set", "rev", "0" * 64, 4))
    first = (tmp_path / "lock.tsv").read_text().splitlines()[0]
    assert first.split("\t") == ["id", "revision", "sha256", "bytes"]  # as before
