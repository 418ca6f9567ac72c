"""The server on the loopback address: what it answers, with errors, in OpenAI's forms."""

import json
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from bayling_study.commands.chat.answering import Answerer
from bayling_study.commands.chat.writing import Question
from bayling_study.commands.serve.guard import claimed, guards
from bayling_study.commands.serve.request import ChatRequest, parse
from bayling_study.core import cli
from bayling_study.core.errors import StudyError

PORT = cli.number("port to listen on", default=8000)
Answerers = Mapping[str, Answerer]
"""Models by the names that clients know them by; the first answers who names none."""


class NotServedError(StudyError):
    """Another model is asked for."""


def application(
    answerers: Answerers, cors: bool = False, more: Sequence[BaseRoute] = ()
) -> Starlette:
    """Returns the server of some models, which with ``cors`` pages of other servers on this machine
    may ask, too. ``more`` are addresses beside OpenAI's; their ``StudyError`` goes to the client.
    """

    def entry(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": "bayling-study"}

    def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [entry(name) for name in answerers]})

    def model(request: Request) -> Response:
        return JSONResponse(entry(_served(answerers, request.path_params["name"])))

    routes = [
        Route("/v1/models", models),
        Route("/v1/models/{name}", model),
        posted("/v1/chat/completions", lambda body: _chat(answerers, body)),
    ]
    told: dict[Any, Any] = {
        StudyError: lambda _, e: _error(404 if isinstance(e, NotServedError) else 400, e.render())
    }
    return Starlette(routes=[*routes, *more], middleware=guards(cors), exception_handlers=told)


def posted(path: str, answer: Callable[[bytes], Response]) -> Route:
    """Returns the route of an address that is asked with a body, answered in a thread."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, await request.body())

    return Route(path, endpoint, methods=["POST"])


def _served(answerers: Answerers, name: str) -> str:
    if name in answerers:
        return name
    served = ", ".join(map(repr, answerers))
    raise NotServedError(f"the models served here are {served}, not {name!r}")


def asked_for(answerers: Answerers, body: bytes) -> tuple[str, Question, ChatRequest]:
    """Returns the model's name, the question and the request (``StudyError`` if that is wrong, does
    not fit the model, or asks for another: ``NotServedError``)."""
    asked = parse(body, ChatRequest)
    name = _served(answerers, asked.model or next(iter(answerers)))
    return name, answerers[name].accept(asked.question()), asked


def _chat(answerers: Answerers, body: bytes) -> Response:
    name, question, asked = asked_for(answerers, body)
    answerer = answerers[name]
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
    if asked.stream:
        counted = asked.stream_options is not None and asked.stream_options.include_usage
        return Events(_events(answerer, question, head, counted))
    try:
        text = "".join(answerer.pieces(question))
    except Exception as error:  # the model's fault, such as no memory, goes to the client
        return _error(500, str(error))
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": question.finish}
    whole = {"object": "chat.completion", "choices": [choice], "usage": _usage(question)}
    return JSONResponse(head | whole)


class Events(StreamingResponse):
    """Server-sent events; when nobody reads them any more, the answer ends at once."""

    def __init__(self, lines: Generator[str]) -> None:
        super().__init__(lines, media_type="text/event-stream")
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._lines.close()


def _events(
    answerer: Answerer, question: Question, head: dict[str, Any], counted: bool
) -> Generator[str]:
    """Yields the chunks of an answer as server-sent events."""

    def chunk(delta: dict[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event(head | {"object": "chat.completion.chunk", "choices": [choice]})

    yield chunk({"role": "assistant", "content": ""})
    try:
        for piece in answerer.pieces(question):
            yield chunk({"content": piece})
    except Exception as error:  # the status has been sent; only an event can tell of it
        yield _event(_told(500, str(error)))
        return
    yield chunk({}, question.finish)
    if counted:
        counts = {"choices": [], "usage": _usage(question)}
        yield _event(head | {"object": "chat.completion.chunk"} | counts)
    yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _usage(question: Question) -> dict[str, int]:
    prompt, answer = len(question.ids), question.tokens
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def _told(status: int, message: str) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def _error(status: int, message: str) -> Response:
    return JSONResponse(_told(status, message), status_code=status)


def serve(port: int, application: Callable[[], Starlette], greeting: str) -> None:
    """Serves an application, which is made once the port is claimed (``StudyError`` if it is no
    port, or another program has it), and then says so."""
    with claimed(port) as listener:
        app = application()
        listener.listen()
        settings = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
        with suppress(KeyboardInterrupt):  # the way to end it
            print(greeting, flush=True)
            uvicorn.Server(settings).run(sockets=[listener])
