"""The hub fetcher with the real client against a small hub on the loopback interface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bayling_study.download import hub
from bayling_study.download.lock import lock_path, read_lock
from bayling_study.files import read_json, write_json
from bayling_study.sources import files_root
from unit.download_server import Handler, Site, served

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b"{}", "notes.txt": b"not wanted"}
HEADER = "id\tkind\tlocation\trevision\tfiles\tsha256\tbytes\tlicence\tgated\tused_by\tnote"


def answer(handler: Handler) -> None:
    """Plays the hub: repository facts as JSON, files with their commit."""
    path = urlsplit(handler.path).path
    name = path.rsplit("/", 1)[-1]
    if path.startswith("/api/"):
        listing = [{"rfilename": file, "size": len(FILES[file])} for file in FILES]
        tree = [{"type": "file", "path": f, "size": len(FILES[f]), "oid": "1"} for f in FILES]
        facts = {"id": "owner/name", "sha": COMMIT, "siblings": listing}
        body, kind = json.dumps(tree if "/tree/" in path else facts).encode(), "application/json"
    else:
        body, kind = FILES[name], "text/plain"
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.send_header("X-Repo-Commit", COMMIT)
    handler.send_header("ETag", f'"{name}"')
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(Handler, "do_GET", answer)
    monkeypatch.setattr(Handler, "do_HEAD", answer, raising=False)
    with served({}) as running:
        yield running


def run(site: Site, folder: Path, gated: str = "no") -> subprocess.CompletedProcess[str]:
    cells = ["m", "hub", "models/owner/name", "", "*.json", "", "", "CC0", gated, "", ""]
    (folder / "sources.tsv").write_text(HEADER + "\n" + "\t".join(cells) + "\n")
    study = {"name": "s", "title": "S", "seed": 1}
    section = {"manifest": str(folder / "sources.tsv")}
    write_json(folder / "settings.json", {"study": study, "download": section})
    options = ["--settings", "settings.json", "--record", "r.json", "--source", "m"]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_ENDPOINT": site.url,
        "HF_HOME": str(folder / "home"),
        "PYTHONPATH": str(Path(hub.__file__).parents[2]),
    }
    command = [sys.executable, "-m", "bayling_study.download", *options, "--out", "x/downloads/m"]
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
