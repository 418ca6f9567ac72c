"""What a later attempt finds: a fetched archive is used, a damaged one is fetched anew."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayling_study.config.study import DownloadSection
from bayling_study.core import disk
from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.download import fetchers
from bayling_study.stages.download.__main__ import ensure
from helpers.download_cases import row, sha, tar_of
from helpers.download_server import Site, served

WORDS = " ".join(f"word{number * number % 9973}" for number in range(40_000)).encode()
ARCHIVE = tar_of({"a.txt": WORDS, "b.txt": b"beta"})
SECTION = DownloadSection(retries=0, timeout=10.0)


@pytest.fixture
def site() -> Iterator[Site]:
    with served({"/set.tar.gz": ARCHIVE}) as running:
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "download" / "set-12345678"


@pytest.mark.parametrize("pins", [{}, {"sha256": sha(ARCHIVE), "bytes": len(ARCHIVE)}])
def test_an_archive_is_not_fetched_again_after_a_stop_while_it_is_unpacked(
    site: Site, out: Path, monkeypatch: pytest.MonkeyPatch, pins: dict[str, object]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = row("url", f"{site.url}/set.tar.gz", **pins)
    with monkeypatch.context() as patched:
        patched.setattr(fetchers, "unpack", full)
        with pytest.raises(OSError, match="No space left"):
            ensure(source, out, SECTION)
    ensure(source, out, SECTION)
    assert (files_root(out) / "b.txt").read_bytes() == b"beta"
    assert len(site.ranges) == 1


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_archive_of_unknown_hash_is_fetched_anew(
    site: Site, out: Path, damage: str
) -> None:
    middle = len(ARCHIVE) // 2
    bad = ARCHIVE[:middle] + bytes([255] * 2000) + ARCHIVE[middle + 2000 :]
    site.files["/set.tar.gz"] = ARCHIVE[:middle] if damage == "cut" else bad
    source = row("url", f"{site.url}/set.tar.gz")
    with pytest.raises(StudyError, match="the archive is damaged"):
        ensure(source, out, SECTION)
    site.files["/set.tar.gz"] = ARCHIVE
    ensure(source, out, SECTION)
    assert len(site.ranges) == 2


def test_a_leftover_that_is_not_what_is_pinned_is_fetched_anew(site: Site, out: Path) -> None:
    (out / "raw").mkdir(parents=True)
    (out / "raw" / "set.tar.gz").write_bytes(ARCHIVE[:-1] + b"x")
    ensure(row("url", f"{site.url}/set.tar.gz", sha256=sha(ARCHIVE)), out, SECTION)
    assert (files_root(out) / "b.txt").read_bytes() == b"beta"


def test_an_archive_of_unknown_size_is_unpacked_only_where_there_is_space(
    site: Site, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = row("url", f"{site.url}/set.tar.gz")
    with monkeypatch.context() as patched:
        usage = shutil.disk_usage(out.anchor)._replace(free=2 * len(ARCHIVE))
        patched.setattr(disk.shutil, "disk_usage", lambda _: usage)
        with pytest.raises(StudyError, match=r"set needs .* are free"):
            ensure(source, out, SECTION)
    assert not (out / "files").exists()
    ensure(source, out, SECTION)
    assert len(site.ranges) == 1


def test_what_is_fetched_already_needs_no_space(
    site: Site, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = row("url", f"{site.url}/set.tar.gz", sha256=sha(ARCHIVE), bytes=len(ARCHIVE))
    (out / "raw").mkdir(parents=True)
    (out / "raw" / "set.tar.gz").write_bytes(ARCHIVE)
    usage = shutil.disk_usage(out.anchor)._replace(free=3 * len(ARCHIVE))
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage)
    ensure(source, out, SECTION)
    assert site.ranges == []


def test_a_file_of_the_users_is_never_removed(out: Path, tmp_path: Path) -> None:
    archive = tmp_path / "mine.tar.gz"
    archive.write_bytes(ARCHIVE[:100])
    section = SECTION.model_copy(update={"local": {"set": str(archive)}})
    with pytest.raises(StudyError, match="damaged"):
        ensure(row("url", "https://upstream.invalid/set.tar.gz"), out, section)
    assert archive.read_bytes() == ARCHIVE[:100]
