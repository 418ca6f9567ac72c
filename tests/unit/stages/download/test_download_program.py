"""The download program: every kind end to end, repeats, damage, locks and local paths."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayling_study.config.study import DownloadSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.download import package_index
from bayling_study.stages.download.__main__ import ensure
from bayling_study.stages.download.lock import lock_path, read_lock
from bayling_study.stages.download.receipt import intact
from helpers import ROOT
from helpers.download_cases import COMMIT, row, sha, tar_of
from helpers.download_server import Site, served

SECTION = DownloadSection(retries=0, timeout=30)


@pytest.fixture
def site() -> Iterator[Site]:
    archive = tar_of({f"repo-{COMMIT}/data/a.txt": b"alpha", f"repo-{COMMIT}/README": b"no"})
    with served({"/set.tsv": b"one\ttwo\n", f"/repo/archive/{COMMIT}.tar.gz": archive}) as running:
        yield running


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "resources" / "download" / "set-12345678"


def test_file_is_fetched_once_and_again_when_damaged(site: Site, out: Path) -> None:
    source = row("url", f"{site.url}/set.tsv", sha256=sha(b"one\ttwo\n"))
    ensure(source, out, SECTION)
    ensure(source, out, SECTION)
    assert len(site.ranges) == 1
    assert sorted(path.name for path in out.iterdir()) == ["files", "manifest.json"]
    (out / "files" / "set.tsv").write_bytes(b"one\ttwx\n")
    ensure(source, out, SECTION)
    assert (files_root(out) / "set.tsv").read_bytes() == b"one\ttwo\n"
    assert read_json(out / "manifest.json")["pin"] == "table"


def test_a_receipt_with_columns_of_another_version_is_believed(site: Site, out: Path) -> None:
    source = row("url", f"{site.url}/set.tsv", sha256=sha(b"one\ttwo\n"))
    ensure(source, out, SECTION)
    receipt = read_json(out / "manifest.json")
    del receipt["source"]["confirmed"]
    receipt["source"]["used_by"] = ["replay"]
    write_json(out / "manifest.json", receipt)
    assert intact(out, source, None)
    assert not intact(out, row("url", f"{site.url}/other.tsv"), None)


def test_wrong_hash_leaves_no_receipt(site: Site, out: Path) -> None:
    with pytest.raises(StudyError, match="sha256"):
        ensure(row("url", f"{site.url}/set.tsv", sha256="0" * 64), out, SECTION)
    assert not (out / "manifest.json").exists()


def test_unpinned_source_is_locked_and_verified_ever_after(site: Site, out: Path) -> None:
    source = row("git", f"{site.url}/repo", revision=COMMIT, files=("data/**",))
    ensure(source, out, SECTION)
    assert (files_root(out) / "data" / "a.txt").read_bytes() == b"alpha"
    assert not (files_root(out) / "README").exists()
    receipt, lock = read_json(out / "manifest.json"), read_lock(lock_path(out))
    assert receipt["pin"] == "lock" and lock is not None
    assert (lock.sha256, lock.revision) == (receipt["listing"], COMMIT)
    (out / "manifest.json").unlink()
    site.files[f"/repo/archive/{COMMIT}.tar.gz"] = tar_of({"top/data/a.txt": b"other"})
    with pytest.raises(StudyError, match="the lock of the first download says"):
        ensure(source, out, SECTION)


def test_same_files_in_another_archive_pass_the_git_lock(site: Site, out: Path) -> None:
    source = row("git", f"{site.url}/repo", revision=COMMIT, files=("data/**",))
    ensure(source, out, SECTION)
    (out / "manifest.json").unlink()
    site.files[f"/repo/archive/{COMMIT}.tar.gz"] = tar_of({"renamed/data/a.txt": b"alpha"})
    ensure(source, out, SECTION)
    assert intact(out, source, None)


def test_mirror_replaces_the_prefix_and_not_the_hash(site: Site, out: Path) -> None:
    section = SECTION.model_copy(update={"mirrors": {"https://upstream.invalid": site.url}})
    ensure(row("url", "https://upstream.invalid/set.tsv"), out, section)
    with pytest.raises(StudyError, match="sha256"):
        source = row("url", "https://upstream.invalid/set.tsv", sha256="0" * 64)
        ensure(source, out.with_name("other"), section)


def test_local_folder_is_used_in_place_and_watched(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.txt").write_text("alpha")
    (folder / "unrelated").write_text("x")
    section = SECTION.model_copy(update={"local": {"set": str(folder)}})
    source = row("git", "https://upstream.invalid/repo", revision=COMMIT, files=("data/**",))
    ensure(source, out, section)
    assert files_root(out) == folder
    assert [item["path"] for item in read_json(out / "manifest.json")["files"]] == ["data/a.txt"]
    assert intact(out, source, folder) and not intact(out, source, None)
    (folder / "data" / "a.txt").write_text("changed")
    assert not intact(out, source, folder)


def test_local_file_stands_for_the_upstream_file(out: Path, tmp_path: Path) -> None:
    archive = tmp_path / "package.whl"
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("p/a.json", "{}")
    pins = {"revision": "1.0", "bytes": 1, "files": ("p/*.json",)}
    source = row("pip-wheel", "package", sha256=sha(archive.read_bytes()), **pins)
    section = SECTION.model_copy(update={"local": {"set": str(archive)}})
    ensure(source, out, section)
    assert (files_root(out) / "p" / "a.json").read_text() == "{}"
    other = source.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(StudyError, match=r"sources.tsv says 0000"):
        ensure(other, out, section)


def test_local_path_that_is_absent_or_unfit_is_told(out: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    source = row("hub", "models/a/b", files=("*.json",))
    for path, message in [("absent", "does not exist"), ("empty", "no file matches")]:
        section = SECTION.model_copy(update={"local": {"set": str(tmp_path / path)}})
        with pytest.raises(StudyError, match=message):
            ensure(source, out, section)


def test_too_small_a_disk_is_told_before_anything_starts(site: Site, out: Path) -> None:
    with pytest.raises(StudyError, match=r"needs 4000000000\.00 GB"):
        ensure(row("url", f"{site.url}/set.tsv", bytes=10**18), out, SECTION)
    assert site.ranges == []


def test_gated_source_says_what_to_accept_and_where_the_token_goes(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    source = row("hub", "models/owner/name", gated=True, files=("*.json",))
    with pytest.raises(StudyError, match="is gated") as caught:
        ensure(source, out, SECTION)
    for part in ("CC0", "owner/name", "HF_TOKEN", "download.local.set"):
        assert part in caught.value.render()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("pip-wheel", "my_set-1.0-py3-none-any.whl"), ("pip-sdist", "my_set-1.0.tar.gz")],
)
def test_package_comes_from_the_index_that_pip_is_set_up_for(
    site: Site, out: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    """A real pip asks a real index; an sdist's build back end is never run."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        wheel.writestr("data/a.json", "{}")
    sdist = {"my_set-1.0/data/a.json": b"{}", "my_set-1.0/setup.py": b"raise SystemExit('ran')"}
    content = buffer.getvalue() if kind == "pip-wheel" else tar_of(sdist)
    site.files[f"/files/{name}"] = content
    page = f'<html><body><a href="/files/{name}" data-requires-python="&gt;=3.13">{name}</a>'
    site.files["/simple/my-set/"] = page.encode()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", f"{site.url}/simple")
    pins = {"revision": "1.0", "sha256": sha(content), "bytes": len(content)}
    ensure(row(kind, "my-set", files=("data/*.json",), **pins), out, SECTION)
    assert (files_root(out) / "data" / "a.json").read_text() == "{}"


def test_package_that_pip_cannot_find_is_told(
    site: Site, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_index, "index_links", lambda *_: [])
    source = row("pip-sdist", "absent", revision="1.0", sha256="0" * 64, bytes=3)
    with pytest.raises(StudyError, match=r"pip finds no sdist of absent 1\.0") as caught:
        ensure(source, out, SECTION)
    assert "download.local.set" in caught.value.render()


def test_program_writes_a_run_record(site: Site, out: Path, tmp_path: Path) -> None:
    cells = ["set", "url", f"{site.url}/set.tsv", "", "", "", "", "CC0", "no", "", ""]
    table = tmp_path / "sources.tsv"
    header = "id\tkind\tlocation\trevision\tfiles\tsha256\tbytes\tlicence\tgated\tconfirmed\tnote"
    table.write_text(header + "\n" + "\t".join(cells) + "\n")
    operations = tmp_path / "operations.json"
    write_json(operations, {"download": {"manifest": str(table)}})
    record = tmp_path / "record.json"
    options = ["--operations", operations, "--record", record, "--source", "set", "--out", out]
    command = [sys.executable, "-m", "bayling_study.stages.download", *map(str, options)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert read_json(record)["metrics"]["files"] == 1
    assert read_json(record)["parameters"]["pin"] == "lock"
