"""A model of this study, served on loopback while a stage asks it: a judge, or a teacher."""

import logging
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from bayling_study.config.systems import EndpointSystem
from bayling_study.core.cli import end_with_parent
from bayling_study.core.errors import StudyError
from bayling_study.core.network import free_port

log = logging.getLogger(__name__)

START_SECONDS = 1800.0  # how long loading may take: a checkpoint of 16 GB from a slow disk
ANSWER_SECONDS = 3600.0  # how long one answer may take on a processor
LOOPBACK = "127.0.0.1"
LOADING = 503  # status by which llama.cpp's server says that it still loads the model
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""A proxy of the environment would answer in the place of a server that is not there."""


@contextmanager
def served(checkpoint: Path, messages: Path) -> Iterator[EndpointSystem]:
    """Serves a checkpoint; yields the section of an endpoint that reaches it (``StudyError`` if the
    server does not come up). The server's own messages go to the file ``messages``."""
    port = free_port()
    command = [sys.executable, "-m", "bayling_study.commands.serve", "--port", str(port)]
    command += ["--checkpoint", str(checkpoint)]
    messages.parent.mkdir(parents=True, exist_ok=True)
    with open(messages, "wb") as stream:
        server = subprocess.Popen(
            command, stdout=stream, stderr=subprocess.STDOUT, preexec_fn=end_with_parent
        )
        try:
            await_server(server, port, messages)
            yield EndpointSystem(
                kind="endpoint",
                url=f"http://{LOOPBACK}:{port}/v1",
                model=checkpoint.resolve().name,
                parallel=1,
                timeout=ANSWER_SECONDS,
            )
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def await_server(server: subprocess.Popen[bytes], port: int, messages: Path) -> None:
    """Waits until the server answers (``StudyError`` if it ended, or did not start in time)."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            last = messages.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise StudyError("the model's server ended: " + " / ".join(last), where=messages)
        try:
            with DIRECT.open(f"http://{LOOPBACK}:{port}/v1/models", timeout=5):
                return
        except urllib.error.HTTPError as error:
            if error.code != LOADING:
                return  # it answers, whatever it thinks of this address
        except (OSError, HTTPException):
            pass
        time.sleep(0.5)
    raise StudyError(f"the model's server did not start in {START_SECONDS:g} s", where=messages)
