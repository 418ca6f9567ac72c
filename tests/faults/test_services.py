"""Servers that hang or are not there, and secrets that must stay where they are."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import yaml

from bayling_study.core.files import read_json
from bayling_study.shared.tracking.mlflow_store import runs_of
from bayling_study.shared.tracking.target import default_uri
from helpers.sandbox import NAME, S, Sandbox

pytestmark = pytest.mark.long
SILENCE = 600.0
"""Seconds for which an endpoint that hangs says nothing."""

CANARIES = {
    "HF_TOKEN": "hf_canaryCANARYcanary0001",
    "REMOTE_KEY": "sk-canaryCANARYcanary0002",
    "MLFLOW_TRACKING_PASSWORD": "canaryCANARYcanary0003",
    "MLFLOW_TRACKING_TOKEN": "canaryCANARYcanary0004",
}


class Handler(BaseHTTPRequestHandler):
    """Answers chat requests; a request without the key is refused."""

    silent = False

    def do_POST(self) -> None:
        if self.silent:
            time.sleep(SILENCE)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {CANARIES['REMOTE_KEY']}":
            self.answer(401, {"error": {"message": "no such key"}})
            return
        choice = {"index": 0, "finish_reason": "stop"}
        choice["message"] = {"role": "assistant", "content": body["messages"][-1]["content"][::-1]}
        usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
        self.answer(200, {"id": "1", "object": "chat.completion", "created": 1,
                          "model": body["model"], "choices": [choice], "usage": usage})  # fmt: skip

    def answer(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *values: object) -> None:
        """Says nothing."""


@contextmanager
def served(silent: bool = False) -> Iterator[str]:
    """Serves chat requests on loopback; yields the address."""
    handler = type("Handler", (Handler,), {"silent": silent})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def add_remote(sandbox: Sandbox, url: str, **settings: object) -> str:
    """Adds a system behind a server to the study; returns the target of its hypotheses."""
    path = sandbox.root / f"{NAME}.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    remote = {"kind": "endpoint", "url": url, "model": "m", "key_env": "REMOTE_KEY", **settings}
    config["systems"]["remote"] = remote
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return f"{S}/generation/remote"


@pytest.mark.fault("an endpoint that hangs")
def test_a_hung_endpoint_is_given_up_and_what_came_before_is_kept(sandbox):
    with served(silent=True) as url:
        target = add_remote(sandbox, url, timeout=1, retries=1, backoff=0.1)
        start = time.monotonic()
        status, output = sandbox.run(target, REMOTE_KEY=CANARIES["REMOTE_KEY"])
        assert status != 0
        assert time.monotonic() - start < SILENCE  # it did not wait for the answer
        assert "error: " in output
        assert not (sandbox.root / target).exists()
    with served() as url:
        target = add_remote(sandbox, url)
        status, output = sandbox.run(target, REMOTE_KEY=CANARIES["REMOTE_KEY"])
        assert status == 0, output[-3000:]


@pytest.mark.fault("a tracking server that is down from the start")
def test_a_tracking_server_that_is_down_loses_nothing(reference, sandbox):
    for path in (sandbox.study / "runs").glob("mlflow.json"):
        path.unlink()
    target = sandbox.drop("tuning")
    down = "http://127.0.0.1:9"
    environment = {"MLFLOW_TRACKING_URI": down, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    status, output = sandbox.run(target, **environment)
    assert status == 0, output[-3000:]
    assert sandbox.hash(target) == reference.hash(target)
    status, output = sandbox.run(f"{S}/runs/mlflow.json", **environment)
    assert status == 0 and "Traceback" not in output, output[-3000:]
    assert "failed" in read_json(sandbox.study / "runs" / "mlflow.json")["pending"]
    first, second = sync(sandbox), sync(sandbox)
    records = list((sandbox.study / "runs").glob("*/*.json"))
    assert len(records) >= len(list((reference.study / "runs").glob("*/*.json")))
    kept, sent = map(int, re.findall(r"MLflow: (\d+) runs, (\d+) sent", first)[0])
    assert kept >= len(records) and sent >= 1  # the job that was done again, and those after it
    assert f"{kept} runs, 0 sent" in second
    uids = {
        run.data.tags.get("bayling.uid")
        for run in runs_of(default_uri(sandbox.study), sandbox.study)
    }
    assert {read_json(path)["uid"] for path in records} <= uids


def sync(sandbox: Sandbox) -> str:
    """Sends what is pending to the study's own store, as `make track` does; returns the log."""
    done = subprocess.run(
        [sys.executable, "-m", "bayling_study.shared.tracking", "--study", S],
        cwd=sandbox.root, env=sandbox.environment({}), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.fault("secrets in the environment of every job (canaries searched everywhere)")
def test_no_secret_is_left_anywhere(sandbox):
    seen: list[str] = []
    done = threading.Event()
    watcher = threading.Thread(target=watch_command_lines, args=(seen, done))
    with served() as url:
        add_remote(sandbox, url)
        sandbox.drop("tuning")
        watcher.start()
        status, output = sandbox.run(**CANARIES)
        done.set()
        watcher.join()
    assert status == 0, output[-3000:]
    assert any("bayling_study.stages.generation" in line for line in seen)
    page = (sandbox.study / "report" / "index.html").read_text(encoding="utf-8")
    assert "remote" in page
    for name, secret in CANARIES.items():
        assert secret not in output, name
        assert not [line for line in seen if secret in line], name
    assert holders(sandbox.root) == []


def watch_command_lines(seen: list[str], done: threading.Event) -> None:
    """Collects the command lines of all processes until told to end."""
    while not done.is_set():
        for process in psutil.process_iter(["cmdline"]):
            seen.append(" ".join(process.info["cmdline"] or []))
        time.sleep(0.2)


def holders(root: Path) -> list[str]:
    """Returns the files below a folder that hold a canary, plainly or compressed."""
    found = []
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            if path.is_symlink() or not path.is_file():
                continue
            content = path.read_bytes()
            if path.suffix == ".gz":
                content += gzip.decompress(content)
            if any(secret.encode() in content for secret in CANARIES.values()):
                found.append(str(path))
    return found
