"""Starts an OpenAI-compatible server for a system of a study, on this machine only.

It answers ``/v1/models`` and ``/v1/chat/completions`` on the loopback address. A
system is asked in its own conversation template; a bare checkpoint in the chat
template that its tokenizer carries, unless ``--template`` names another.
"""

from __future__ import annotations

import socket
import sys
from typing import get_args

import uvicorn

from bayling_study.commands.chat.options import MODEL, chosen
from bayling_study.commands.serve.answering import Answerer
from bayling_study.commands.serve.app import application
from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.systems import TemplateName
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.shared.models import load

LOOPBACK = "127.0.0.1"

COMMAND_LINE = cli.command(
    __name__,
    **MODEL,
    template=cli.option(
        "conversation template of a --checkpoint; default: the one its tokenizer carries",
        choices=get_args(TemplateName),
    ),
    port=cli.number("port to listen on", default=8000),
)


def main() -> None:
    """Loads the model and answers until the process is ended."""
    options = COMMAND_LINE.parse_args()
    model = chosen(options)
    name = options.system or model.checkpoint.resolve().name
    with claimed(options.port) as listener:
        loaded = load(model.checkpoint, model.section or GenerationSection())
        answerer = Answerer(loaded, options.template or model.template or "foundation")
        server = uvicorn.Server(uvicorn.Config(application(answerer, name), log_level="warning"))
        print(f"http://{LOOPBACK}:{options.port}/v1, model {name}", file=sys.stderr, flush=True)
        server.run(sockets=[listener])


def claimed(port: int) -> socket.socket:
    """Returns a socket of the loopback address, before any model is loaded.

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


if __name__ == "__main__":
    cli.run_program(main)
