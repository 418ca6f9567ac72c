"""Programs that tests start for real: PostgreSQL and an MLflow server, on loopback.

PostgreSQL refuses to run as root; then it runs as an unprivileged user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POSTGRES_FOLDERS = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
USERS = ("postgres", "nobody")
START_SECONDS = 240


def free_port() -> int:
    """Returns a port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_program(name: str) -> str | None:
    """Returns the path of one of PostgreSQL's programs, or none."""
    return shutil.which(name, path=os.pathsep.join([*POSTGRES_FOLDERS, os.environ["PATH"]]))


def why_no_postgres() -> str:
    """Returns why PostgreSQL cannot be started here; empty where it can."""
    missing = [name for name in ("initdb", "postgres") if postgres_program(name) is None]
    if missing:
        return f"no {' and '.join(missing)} (Debian: apt install postgresql)"
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        return "PostgreSQL does not run as root, and there is no runuser"
    return ""


def _unprivileged() -> tuple[list[str], int]:
    """Returns what to put before a command so that root does not run it, and the user's id."""
    if os.geteuid() != 0:
        return [], os.geteuid()
    known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    user = next(name for name in USERS if name in known)
    return ["runuser", "-u", user, "--"], known[user]


@contextmanager
def postgres() -> Iterator[str]:
    """Runs a fresh PostgreSQL and yields the address of its database."""
    before, user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="bayling-pg-"))
    os.chown(folder, user, -1)
    data, port = folder / "data", free_port()
    initdb = [*before, str(postgres_program("initdb")), "-D", str(data), "-U", "mlflow"]
    subprocess.run(
        [*initdb, "-A", "trust", "--no-sync"], check=True, cwd=folder, stdout=subprocess.DEVNULL
    )
    options = ["-D", str(data), "-k", str(folder), "-h", "127.0.0.1", "-p", str(port)]
    command = [*before, str(postgres_program("postgres")), *options, "-c", "fsync=off"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for_port(port, server)
        yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=240)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_port(port: int, server: subprocess.Popen[bytes]) -> None:
    """Waits until a server listens on a port of loopback."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"no server on port {port}")


class MlflowServer:
    """``mlflow server`` on loopback, which can be stopped and started again.

    Args:
        store: address of its database.
        folder: holds artefacts and the log.
    """

    def __init__(self, store: str, folder: Path) -> None:
        self._store, self._folder, self._port = store, folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"http://127.0.0.1:{self._port}"
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self._store]
        command += ["--artifacts-destination", str(self._folder / "artefacts"), "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self._port)]
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        with open(self._folder / "log", "a") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-3000:]
            try:
                urllib.request.urlopen(f"{self.uri}/health", timeout=2).close()
            except (urllib.error.URLError, OSError):
                time.sleep(0.3)
            else:
                return
        raise AssertionError("the MLflow server does not answer")

    def stop(self) -> None:
        """Kills the server and its workers."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None
