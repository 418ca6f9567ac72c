"""The hub fetcher with the real client against a small hub on the loopback interface."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bayling_study.core.files import read_json, write_json
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.download import hub
from bayling_study.stages.download.lock import lock_path, read_lock
from unit.download_server import Handler, Site, served

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "f" * 40
BRANCH = "refs/convert/parquet"
FILES = {"config.json": b"{}", "notes.txt": b"not wanted"}
HEADER = "id\tkind\tlocation\trevision\tfiles\tsha256\tbytes\tlicence\tgated\tused_by\tnote"


def answer(handler: Handler) -> None:
    """Plays the hub: repository facts as JSON, files with their commit.

    The site's ``etag`` is the newest commit; a known one is found under its own name.
    """
    path = urlsplit(handler.path).path
    handler.site.ranges.append(path)
    newest = handler.site.etag
    commit = next((name for name in (COMMIT, LATER) if name in path), newest)
    name = path.rsplit("/", 1)[-1]
    if path.startswith("/api/"):
        listing = [{"rfilename": file, "size": len(FILES[file])} for file in FILES]
        tree = [{"type": "file", "path": f, "size": len(FILES[f]), "oid": "1"} for f in FILES]
        facts = {"id": "owner/name", "sha": commit, "siblings": listing}
        body, kind = json.dumps(tree if "/tree/" in path else facts).encode(), "application/json"
    else:
        body, kind = FILES[name], "text/plain"
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("X-Repo-Commit", commit)
    handler.send_header("ETag", f'"{name}"')
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(Handler, "do_GET", answer)
    monkeypatch.setattr(Handler, "do_HEAD", answer, raising=False)
    with served({}) as running:
        running.etag = COMMIT
        yield running


def run(
    site: Site, folder: Path, gated: str = "no", revision: str = ""
) -> subprocess.CompletedProcess[str]:
    cells = ["m", "hub", "models/owner/name", revision, "*.json", "", "", "CC0", gated, "", ""]
    (folder / "sources.tsv").write_text(HEADER + "\n" + "\t".join(cells) + "\n")
    section = {"manifest": str(folder / "sources.tsv")}
    write_json(folder / "operations.json", {"download": section})
    options = ["--operations", "operations.json", "--record", "r.json", "--source", "m"]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_ENDPOINT": site.url,
        "HF_HOME": str(folder / "home"),
        "PYTHONPATH": str(Path(hub.__file__).parents[3]),
    }
    command = [
        sys.executable,
        "-m",
        "bayling_study.stages.download",
        *options,
        "--out",
        "x/downloads/m",
    ]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


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
