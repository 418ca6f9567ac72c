"""A small hub on the loopback interface, and the download program that asks it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bayling_study.core.files import write_json
from helpers import ROOT
from helpers.download_server import Handler, Site

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "f" * 40
BRANCH = "refs/convert/parquet"
FILES = {"config.json": b"{}", "notes.txt": b"not wanted"}
HEADER = "id\tkind\tlocation\trevision\tfiles\tsha256\tbytes\tlicence\tgated\tconfirmed\tnote"


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


def unknown(handler: Handler) -> None:
    """Answers as the hub does for a repository that does not exist, or is private."""
    handler.refuse(401, X_Error_Code="RepoNotFound")


def answer_data_set(handler: Handler) -> None:
    """Plays the hub of one data set, whose files are the site's by their paths; with ranges."""
    path = urlsplit(handler.path).path
    files = {name.lstrip("/"): content for name, content in handler.site.files.items()}
    if "/absent" in path:
        handler.refuse(404, X_Error_Code="RepoNotFound")
        return
    if path.startswith("/api/"):
        handler.site.ranges.append(path)
        facts = {"id": "owner/name", "sha": COMMIT, "siblings": []}
        found = [
            {"type": "file", "oid": "1", "size": len(content), "path": name}
            for name, content in files.items()
        ]
        body = json.dumps(found if "/tree/" in path else facts).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        return
    handler.path = "/" + path.partition(f"/resolve/{COMMIT}/")[2]
    if handler.command == "HEAD":
        handler.send_response(200 if handler.path in handler.site.files else 404)
        handler.send_header("Content-Length", str(len(handler.site.files.get(handler.path, b""))))
        handler.send_header("X-Repo-Commit", COMMIT)
        handler.send_header("ETag", f'"{handler.path[1:]}"')
        handler.end_headers()
        return
    handler.site.ranges.append(f"{handler.path} {handler.headers.get('Range', '')}")
    if handler.site.faults:
        handler.site.faults.pop(0)(handler)
    else:
        handler.serve()


def receive(handler: Handler) -> None:
    """Plays the hub that is uploaded to; what was sent is kept in ``site.files`` by its path.

    A site with the etag ``refuse`` refuses every card.
    """
    path = urlsplit(handler.path).path
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    handler.site.ranges.append(f"{handler.command} {path}")
    handler.site.files[path] = body
    created = {"url": f"{handler.site.url}/org/name"}
    answers: dict[str, Any] = {"validate-yaml": {}, "create": created}
    last = path.rsplit("/", 1)[-1]
    page = f"{handler.site.url}/org/name/commit/{COMMIT}"
    status, found = 200, answers.get(last, {"commitOid": COMMIT, "commitUrl": page})
    if last == "validate-yaml" and handler.site.etag == "refuse":
        status, found = 400, {"error": "license is none that is known"}
    if "/preupload/" in path:
        names = [file["path"] for file in json.loads(body)["files"]]
        ways = {"uploadMode": "regular", "shouldIgnore": False}
        found = {"files": [{"path": name, **ways} for name in names]}
    sent = json.dumps(found).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(sent)))
    handler.end_headers()
    handler.wfile.write(sent)


class Receiver(Handler):
    """The handler of such a hub."""

    def do_GET(self) -> None:  # noqa: N802
        receive(self)

    def do_POST(self) -> None:  # noqa: N802
        receive(self)


def run(
    site: Site,
    folder: Path,
    gated: str = "no",
    revision: str = "",
    location: str = "models/owner/name",
) -> subprocess.CompletedProcess[str]:
    cells = ["m", "hub", location, revision, "*.json", "", "", "CC0", gated, "", ""]
    (folder / "sources.tsv").write_text(HEADER + "\n" + "\t".join(cells) + "\n")
    section = {"manifest": str(folder / "sources.tsv")}
    write_json(folder / "operations.json", {"download": section})
    options = ["--operations", "operations.json", "--record", "r.json", "--source", "m"]
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_HUB_OFFLINE": "1",  # as `make` has it for all programs
        "HF_ENDPOINT": site.url,
        "HF_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT / "workflow"),
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
