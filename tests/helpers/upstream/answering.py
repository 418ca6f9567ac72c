"""How the upstreams' servers answer: whole files or ranges, with tags and further headers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from helpers.download_server import Handler


class Answering(Handler):
    """A handler that gives contents and values instead of a site's files."""

    extra: dict[str, str]

    def give(self, content: bytes | None, **headers: str) -> None:
        """Gives a file, or the part of it that is asked for; of none it says so."""
        held = {} if content is None else {self.path: content}
        tag = hashlib.sha1(content or b"").hexdigest()
        self.site = replace(self.site, files=held, etag=f'"{tag}"')
        self.extra = headers
        self.serve()

    def send(self, value: Any, **headers: str) -> None:
        """Sends a value as JSON."""
        body = json.dumps(value).encode()
        self.send_response(200)
        self.extra = headers
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.write(body, 0)

    def end_headers(self) -> None:
        for name, value in getattr(self, "extra", {}).items():
            self.send_header(name.replace("_", "-"), value)
        super().end_headers()

    def write(self, body: bytes, pause: float) -> None:
        if self.command != "HEAD":
            super().write(body, pause)
