"""The two addresses of the server, and answers and errors in OpenAI's forms."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from bayling_study.commands.serve.answering import Answerer, Question
from bayling_study.commands.serve.request import parse
from bayling_study.core.errors import StudyError

# Pages of other sites reach a loopback address under a name of theirs.
HOSTS = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])


def application(answerer: Answerer, name: str) -> Starlette:
    """Returns the server of one model, which clients know by ``name``."""

    def models(request: Request) -> Response:
        entry = {"id": name, "object": "model", "created": 0, "owned_by": "bayling-study"}
        return JSONResponse({"object": "list", "data": [entry]})

    async def chat(request: Request) -> Response:
        return await run_in_threadpool(_chat, answerer, name, await request.body())

    routes = [
        Route("/v1/models", models),
        Route("/v1/chat/completions", chat, methods=["POST"]),
    ]
    return Starlette(routes=routes, middleware=[HOSTS])


def _chat(answerer: Answerer, name: str, body: bytes) -> Response:
    try:
        asked = parse(body)
        if asked.model not in (None, name):
            return _error(404, f"the model served here is {name!r}, not {asked.model!r}")
        question = answerer.question(asked)
    except StudyError as error:
        return _error(400, error.render())
    head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": name}
    if asked.stream:
        lines = _events(answerer, question, head)
        return StreamingResponse(lines, media_type="text/event-stream")
    try:
        text = "".join(answerer.pieces(question))
    except Exception as error:  # the model's fault, such as no memory, goes to the client
        return _error(500, str(error))
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": question.finish}
    whole = {"object": "chat.completion", "choices": [choice], "usage": _usage(question)}
    return JSONResponse(head | whole)


def _events(answerer: Answerer, question: Question, head: dict[str, Any]) -> Iterator[str]:
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
    options = question.request.stream_options
    if options and options.include_usage:
        counts = {"choices": [], "usage": _usage(question)}
        yield _event(head | {"object": "chat.completion.chunk"} | counts)
    yield "data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def _usage(question: Question) -> dict[str, int]:
    prompt, answer = len(question.ids), question.tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
    }


def _told(status: int, message: str) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def _error(status: int, message: str) -> Response:
    return JSONResponse(_told(status, message), status_code=status)
