"""Who may ask: programs of this machine, and pages that the server itself gave. A page of any site
can send requests to a loopback address: under a name of its own that it lets point there (the host
tells), or straight (the origin tells)."""

import re
import socket
from typing import Any

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from bayling_study.core.errors import StudyError

LOOPBACK = "127.0.0.1"
NAMES = [LOOPBACK, "localhost"]
LOOPBACK_PAGE = re.compile(rf"https?://({'|'.join(map(re.escape, NAMES))})(:\d+)?")
"""Origins of pages that servers on this machine gave."""


class OriginGuard:
    """Refuses what a page of another origin asks for, unless it is ``welcome``."""

    def __init__(self, app: ASGIApp, welcome: re.Pattern[str] | None) -> None:
        self.app, self.welcome = app, welcome

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands a request on, or answers 403."""
        headers = Headers(scope=scope) if scope["type"] == "http" else {}
        origin, own = headers.get("origin"), f"http://{headers.get('host')}"
        if origin in (None, own) or (self.welcome and self.welcome.fullmatch(origin)):
            await self.app(scope, receive, send)
        else:
            refused = PlainTextResponse("a page of another origin may not ask", 403)
            await refused(scope, receive, send)


def guards(cors: bool) -> list[Middleware]:
    """Returns what stands before the server; ``cors`` lets other loopback pages ask and read."""
    how: dict[str, Any] = {"allow_methods": ["*"], "allow_headers": ["*"]}
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=NAMES, www_redirect=False),
        Middleware(OriginGuard, welcome=LOOPBACK_PAGE if cors else None),
        *([Middleware(CORSMiddleware, allow_origin_regex=LOOPBACK_PAGE.pattern, **how)] * cors),
    ]


def claimed(port: int) -> socket.socket:
    """Returns a socket of the loopback address (``StudyError``: no port, or another program's)."""
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
