"""The hub fetcher with the real client against a small hub on the loopback interface."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from bayling_study.core.files import read_json
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.download.lock import lock_path, read_lock
from helpers.download_server import Handler, Site, served
from helpers.small_hub import BRANCH, COMMIT, LATER, answer, run, unknown


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(Handler, "do_GET", answer)
    monkeypatch.setattr(Handler, "do_HEAD", answer, raising=False)
    with served({}) as running:
        running.etag = COMMIT
        yield running


def test_newest_commit_is_locked_and_only_wanted_files_come(site: Site, tmp_path: Path) -> None:
    result = run(site, tmp_path)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "x" / "downloads" / "m"
    assert (files_root(out) / "config.json").read_bytes() == b"{}"
    assert [item["path"] for item in read_json(out / "manifest.json")["files"]] == ["config.json"]
    lock = read_lock(lock_path(out))
    assert lock is not None and lock.revision == COMMIT


def test_gated_model_without_a_token_is_told_before_any_request(site: Site, tmp_path: Path) -> None:
    result = run(site, tmp_path, gated="yes")
    assert result.returncode == 2
    assert "accept its terms (CC0)" in result.stderr and "HF_TOKEN" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_branch_is_locked_as_its_commit_which_is_fetched_ever_after(
    site: Site, tmp_path: Path
) -> None:
    result = run(site, tmp_path, revision=BRANCH)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "x" / "downloads" / "m"
    assert read_json(out / "manifest.json")["revision"] == COMMIT
    lock = read_lock(lock_path(out))
    assert lock is not None and lock.revision == COMMIT
    assert any("refs%2Fconvert%2Fparquet" in path for path in site.ranges)
    shutil.rmtree(out)
    site.ranges.clear()
    site.etag = LATER
    assert run(site, tmp_path, revision=BRANCH).returncode == 0
    assert read_json(out / "manifest.json")["revision"] == COMMIT
    assert site.ranges and not any("refs%2F" in path for path in site.ranges)


def test_an_interrupted_download_of_a_branch_goes_on_with_the_same_commit(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_files(handler: Handler) -> None:
        if "/resolve/" in handler.path:
            handler.refuse(403)
        else:
            answer(handler)

    for name in ("do_GET", "do_HEAD"):
        monkeypatch.setattr(Handler, name, refuse_files)
    assert run(site, tmp_path, revision=BRANCH).returncode == 2
    out = tmp_path / "x" / "downloads" / "m"
    assert (out / "raw" / "revision").read_text() == COMMIT
    for name in ("do_GET", "do_HEAD"):
        monkeypatch.setattr(Handler, name, answer)
    site.etag = LATER
    result = run(site, tmp_path, revision=BRANCH)
    assert result.returncode == 0, result.stderr
    assert read_json(out / "manifest.json")["revision"] == COMMIT


def test_a_hub_that_nobody_answers_for_is_told(site: Site, tmp_path: Path) -> None:
    site.url = "http://127.0.0.1:9"
    result = run(site, tmp_path, revision=BRANCH)
    assert result.returncode == 2 and "the hub cannot be reached" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("first", ["there", "gone"])
def test_of_two_names_of_a_repository_the_one_that_answers_is_taken(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    def one_of_two(handler: Handler) -> None:
        if "/owner/gone" in handler.path:
            unknown(handler)
        else:
            answer(handler)

    for name in ("do_GET", "do_HEAD"):
        monkeypatch.setattr(Handler, name, one_of_two)
    location = f"models/owner/{first};models/owner/name"
    taken = f"models/owner/{'name' if first == 'gone' else 'there'}"
    out = tmp_path / "x" / "downloads" / "m"
    for revision in ("", COMMIT):  # by commit too, where the second run follows the lock
        result = run(site, tmp_path, revision=revision, location=location)
        assert result.returncode == 0, result.stderr
        assert ("has no models/owner/gone" in result.stderr) is (first == "gone")
        receipt = read_json(out / "manifest.json")
        assert (receipt["location"], receipt["revision"]) == (taken, COMMIT)
        shutil.rmtree(out)


def test_where_no_name_of_a_repository_answers_the_row_is_told(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("do_GET", "do_HEAD"):
        monkeypatch.setattr(Handler, name, unknown)
    location = "models/owner/gone;models/owner/away"
    result = run(site, tmp_path, location=location)
    assert result.returncode == 2 and "the hub has no such repository" in result.stderr
    assert location in result.stderr and "Traceback" not in result.stderr
