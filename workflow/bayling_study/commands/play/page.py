"""The page, what it is told of the study, and the addresses that it asks beside the server's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from bayling_study.commands.play.votes import Vote, Votes
from bayling_study.commands.serve.app import Answerers, asked_for, posted
from bayling_study.commands.serve.request import parse
from bayling_study.config import StudyConfig
from bayling_study.core import languages
from bayling_study.core.records import by_item, read_prompts
from bayling_study.core.tables import beside
from bayling_study.dag.layout import Layout
from bayling_study.shared.interactive.wordings import WORDINGS

FILES = {"": "page.html", "page.css": "page.css", "page.js": "page.js"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but the page's own files is loaded, and no other page can show it in a frame."""
FIRST: dict[str, str] = beside(__file__)
"""The demands whose buttons are always shown, and what stands on them."""
EXAMPLES = 5  # test prompts of each item that the page offers to begin with


def about(config: StudyConfig) -> dict[str, Any]:
    """Returns what the page is told of a study: demands and languages by the user's language."""
    users, corpora = list(WORDINGS["translate"]), config.corpora.parallel
    codes = [*users, *(code for one in corpora for code in (one.pivot, *one.languages))]
    kinds = list(dict.fromkeys([*FIRST, *WORDINGS]))
    names = {user: [languages.name(code, user) for code in dict.fromkeys(codes)] for user in users}
    return {
        "study": f"{config.study.name}{' (rehearsal)' if config.rehearsal else ''}",
        "first": len(FIRST),
        "labels": {kind: FIRST.get(kind) or kind.replace("-", " ") for kind in kinds},
        "demands": {user: {kind: WORDINGS[kind][user] for kind in kinds} for user in users},
        "languages": names,
        "examples": _examples(Layout(config)),
    }


def _examples(layout: Layout) -> list[str]:
    """Returns first turns of the first suite that is made from the corpora."""
    suites = filter(layout.suite_needs_corpora, layout.config.suites)
    paths = (layout.study / "prompts" / f"{suite}.jsonl" for suite in suites)
    path = next(filter(Path.is_file, paths), None)
    groups = by_item(read_prompts(path)).values() if path else []
    return [prompt.turns[0] for group in groups for prompt in group[:EXAMPLES]]


def routes(answerers: Answerers, told: dict[str, Any], votes: Votes) -> list[Route]:
    """Returns the page's addresses; ``told`` is ``about`` its study."""
    systems = [
        {"name": name, "template": one.template, "context": one.loaded.context}
        for name, one in answerers.items()
    ]

    def file(name: str) -> Callable[[Request], Response]:
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return lambda request: FileResponse(Path(__file__).with_name(name), headers=headers)

    def prompt(body: bytes) -> Response:
        name, question, _ = asked_for(answerers, body)
        runs = answerers[name].prompt(question.messages)
        return JSONResponse({"runs": runs, "tokens": len(question.ids)})

    def vote(body: bytes) -> Response:
        found = [row for row in votes.add(parse(body, Vote)) if row.metric == "first-place-share"]
        shares = [[score.item, score.system, score.value] for score in found]
        return JSONResponse({"votes": found[0].n, "shares": shares})

    return [
        *(Route(f"/{place}", file(name)) for place, name in FILES.items()),
        Route("/play/about", lambda request: JSONResponse(told | {"systems": systems})),
        posted("/play/prompt", prompt),
        posted("/play/votes", vote),
    ]
