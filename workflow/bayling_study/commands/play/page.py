"""The page and the addresses that it asks beside those of the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from bayling_study.commands.play.votes import Vote, Votes
from bayling_study.commands.serve.app import Answerers, asked_for
from bayling_study.commands.serve.request import parse
from bayling_study.core.errors import StudyError

FILES = ("page.html", "page.css", "page.js")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""Nothing but the page's own files is loaded, and no other page can show it in a frame."""


def routes(answerers: Answerers, about: dict[str, Any], votes: Votes) -> list[Route]:
    """Returns the page's addresses; ``about`` is what its script is told of the study."""
    systems = [
        {"name": name, "template": one.template, "context": one.loaded.context}
        for name, one in answerers.items()
    ]

    def file(name: str) -> Callable[[Request], Response]:
        return lambda request: FileResponse(Path(__file__).with_name(name), headers=HEADERS)

    def told(request: Request) -> Response:
        return JSONResponse(about | {"systems": systems})

    def prompt(body: bytes) -> dict[str, Any]:
        name, question, _ = asked_for(answerers, body)
        runs = answerers[name].prompt(question.messages)
        return {"runs": runs, "tokens": len(question.ids)}

    def vote(body: bytes) -> dict[str, Any]:
        found = [row for row in votes.add(parse(body, Vote)) if row.metric == "first-place-share"]
        rows = [[row.item, row.system, row.value, row.low, row.high] for row in found]
        return {"votes": found[0].n, "shares": rows}

    return [
        Route("/", file(FILES[0])),
        *(Route(f"/{name}", file(name)) for name in FILES[1:]),
        Route("/play/about", told),
        Route("/play/prompt", _answering(prompt), methods=["POST"]),
        Route("/play/votes", _answering(vote), methods=["POST"]),
    ]


def _answering(answer: Callable[[bytes], dict[str, Any]]) -> Callable[[Request], Any]:
    """Returns what answers a request as ``answer`` does, and says what is wrong with it."""

    def answered(body: bytes) -> Response:
        try:
            return JSONResponse(answer(body))
        except (StudyError, LookupError) as error:
            message = error.render() if isinstance(error, StudyError) else str(error)
            return JSONResponse({"error": {"message": message}}, status_code=400)

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answered, await request.body())

    return endpoint
