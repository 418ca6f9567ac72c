"""Serves an application on the loopback address until the process is ended."""

import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from bayling_study.core import cli
from bayling_study.core.errors import StudyError

LOOPBACK = "127.0.0.1"
PORT = cli.number("port to listen on", default=8000)


def serve(port: int, application: Callable[[], Starlette], greeting: str) -> None:
    """Serves an application, which is made once the port is claimed, and then says so.

    Raises:
        StudyError: the port is no port, or another program has it.
    """
    with claimed(port) as listener:
        app = application()
        listener.listen()
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        )
        with suppress(KeyboardInterrupt):  # the way to end it
            print(greeting, flush=True)
            server.run(sockets=[listener])


def claimed(port: int) -> socket.socket:
    """Returns a socket of the loopback address.

    Raises:
        StudyError: the port is no port, or another program has it.
    """
    if not 1 <= port <= 65535:
        raise StudyError(f"{port} is not a port", where="--port", fix="--port 8000")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        what = f"cannot listen on port {port}: {error.strerror}"
        raise StudyError(what, where="--port", fix="choose another port") from error
    return listener
