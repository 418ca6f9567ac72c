"""Serves an application on the loopback address until the process is ended."""

from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from bayling_study.commands.serve.guard import claimed
from bayling_study.core import cli

PORT = cli.number("port to listen on", default=8000)


def serve(port: int, application: Callable[[], Starlette], greeting: str) -> None:
    """Serves an application, which is made once the port is claimed (``StudyError`` if it is no
    port, or another program has it), and then says so."""
    with claimed(port) as listener:
        app = application()
        listener.listen()
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        )
        with suppress(KeyboardInterrupt):  # the way to end it
            print(greeting, flush=True)
            server.run(sockets=[listener])
