"""Loads models and serves them on the loopback address until the process is ended."""

from collections.abc import Callable, Iterable
from contextlib import suppress

import uvicorn
from starlette.applications import Starlette

from bayling_study.commands.chat.answering import Answerer
from bayling_study.commands.chat.system import ChatModel
from bayling_study.commands.serve.guard import claimed
from bayling_study.config.evaluation import GenerationSection
from bayling_study.config.systems import TemplateName
from bayling_study.core import cli
from bayling_study.shared.models import load

PORT = cli.number("port to listen on", default=8000)


def loaded(
    models: Iterable[tuple[str, ChatModel]], template: TemplateName | None = None
) -> dict[str, Answerer]:
    """Loads models, each with its own template unless one is named; a bare checkpoint has its
    tokenizer's chat template.
    """
    return {
        name: Answerer(
            load(model.checkpoint, model.section or GenerationSection()),
            template or model.template or "foundation",
        )
        for name, model in models
    }


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
