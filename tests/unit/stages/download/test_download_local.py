"""A local folder in place of a source: held to what is known of the source's content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayling_study.config.study import DownloadSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.download.lock import Lock, lock_path, write_lock
from bayling_study.stages.download.receipt import describe_files, listing_hash
from helpers.download_cases import COMMIT, row, sha, tar_of
from helpers.download_server import Site, served

FILES = {"data/a.txt": b"alpha", "data/b.txt": b"beta"}


@pytest.fixture
def site() -> Iterator[Site]:
    archive = tar_of({f"repo-{COMMIT}/{name}": content for name, content in FILES.items()})
    with served({f"/repo/archive/{COMMIT}.tar.gz": archive, "/set.tsv": b"one\n"}) as running:
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "download" / "set-12345678"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "copy"


def take(source: SourceRow, out: Path, folder: Path) -> str:
    """Replaces the source by the folder; returns what the receipt says of the check."""
    (out / "manifest.json").unlink(missing_ok=True)  # as the workflow does before a job
    ensure(source, out, DownloadSection(local={"set": str(folder)}))
    receipt = read_json(out / "manifest.json")
    assert (receipt["pin"], receipt["root"]) == ("local", str(folder))
    return str(receipt["checked"])


def test_nothing_is_known_before_the_first_download(out: Path, folder: Path) -> None:
    source = row("git", "https://upstream.invalid/repo", revision=COMMIT, files=("data/**",))
    assert take(source, out, folder) == "local, not checked"


def test_after_a_download_whole_and_partial_copies_are_checked_file_by_file(
    site: Site, out: Path, folder: Path
) -> None:
    source = row("git", f"{site.url}/repo", revision=COMMIT)
    ensure(source, out, DownloadSection())
    assert take(source, out, folder) == "local, checked"
    (folder / "data" / "a.txt").unlink()
    assert take(source, out, folder) == "local, checked"
    (folder / "more").write_text("x")
    assert take(source, out, folder) == "local, 1 of 2 files checked"
    (folder / "data" / "b.txt").write_text("bete")
    with pytest.raises(StudyError, match=r"b\.txt: sha256 is .* \(the lock") as caught:
        take(source, out, folder)
    assert "name an unchanged copy under download.local.set" in caught.value.render()


def test_a_pinned_listing_is_compared(out: Path, folder: Path) -> None:
    pinned = listing_hash(describe_files(folder))
    source = row("git", "https://upstream.invalid/repo", revision=COMMIT, sha256=pinned)
    assert take(source, out, folder) == "local, checked"
    (folder / "data" / "a.txt").unlink()
    assert take(source, out, folder) == "local, not checked"
    own = row("local", str(folder), sha256=pinned)
    with pytest.raises(StudyError, match=r"neither those .* \(config/sources\.tsv\)"):
        ensure(own, out, DownloadSection())


def test_a_pinned_single_file_is_compared(out: Path, folder: Path) -> None:
    (folder / "set.tsv").write_text("one\n")
    source = row("url", "https://upstream.invalid/set.tsv", sha256=sha(b"one\n"))
    assert take(source, out, folder) == "local, 1 of 3 files checked"
    (folder / "set.tsv").write_text("two\n")
    with pytest.raises(StudyError, match=r"set\.tsv: sha256 is"):
        take(source, out, folder)


def test_as_much_text_as_was_locked_is_no_part_of_it(out: Path, folder: Path) -> None:
    source = row("hub", "models/owner/name")
    total = sum(len(content) for content in FILES.values())
    write_lock(lock_path(out), Lock("set", "", listing_hash(describe_files(folder)), total))
    assert take(source, out, folder) == "local, checked"
    (folder / "data" / "a.txt").write_text("alphe")
    with pytest.raises(StudyError, match="the lock of the first download"):
        take(source, out, folder)
    (folder / "data" / "a.txt").unlink()
    assert take(source, out, folder) == "local, not checked"


def test_a_damaged_list_of_files_is_told(site: Site, out: Path, folder: Path) -> None:
    source = row("git", f"{site.url}/repo", revision=COMMIT)
    ensure(source, out, DownloadSection())
    (out.parents[1] / "sources.lock" / f"{out.name}.files.json").write_text(json.dumps([{"x": 1}]))
    with pytest.raises(StudyError, match="not a list of files"):
        take(source, out, folder)


def test_the_sides_of_a_test_set_of_sacrebleu_are_taken_from_a_folder(
    out: Path, tmp_path: Path
) -> None:
    for name in ("zh-en.src", "zh-en.ref", "de-en.src"):
        (tmp_path / name).write_bytes(b"one\n")
    source = row("sacrebleu", "wmt22", files=("zh-en",))
    assert take(source, out, tmp_path) == "local, not checked"
    receipt = read_json(out / "manifest.json")
    assert [item["path"] for item in receipt["files"]] == ["zh-en.ref", "zh-en.src"]
