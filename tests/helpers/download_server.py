"""A real HTTP server on the loopback interface whose faults the tests script."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Handler"], None]


@dataclass
class Site:
    """What the server holds and how it misbehaves.

    Attributes:
        files: path to content.
        faults: one taken for each request, in order; when empty the server behaves.
        ranges: the ``Range`` header of each request, or an empty string.
        ranged: whether it answers them.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    ranged: bool = True
    etag: str = '"one"'
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """Serves a ``Site`` with byte ranges and entity tags."""

    site: Site

    def do_GET(self) -> None:
        self.site.ranges.append(self.headers.get("Range", ""))
        if self.site.faults:
            self.site.faults.pop(0)(self)
        else:
            self.serve()

    def serve(self, keep: int | None = None, pause: float = 0.0) -> None:
        """Answers rightly, but breaks off after ``keep`` bytes or drips one byte a ``pause``."""
        content = self.site.files.get(self.path)
        if content is None:
            self.refuse(404)
            return
        part = self.span(len(content))
        start, end = part or (0, len(content))
        if start >= len(content) and start:
            self.refuse(416)
            return
        body = content[start:end]
        self.send_response(206 if part else 200)
        self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "text/plain")
        self.send_header("ETag", self.site.etag)
        self.send_header("Content-Length", str(len(body)))
        if part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        self.end_headers()
        self.write(body if keep is None else body[:keep], pause)

    def write(self, body: bytes, pause: float) -> None:
        step = 1 if pause else len(body)
        for index in range(0, len(body), max(step, 1)):
            try:
                self.wfile.write(body[index : index + step])
                self.wfile.flush()
            except OSError:  # the client gave up, as a test wants it to
                return
            time.sleep(pause)

    def span(self, size: int) -> tuple[int, int] | None:
        """Returns where the part that is asked for begins and ends, if one is."""
        wanted = self.headers.get("Range", "") if self.site.ranged else ""
        if not wanted or self.headers.get("If-Range", self.site.etag) != self.site.etag:
            return None
        start, _, last = wanted.removeprefix("bytes=").partition("-")
        return int(start), min(int(last) + 1, size) if last else size

    def refuse(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@contextmanager
def served(
    files: dict[str, bytes], tls: ssl.SSLContext | None = None, kind: type[Handler] = Handler
) -> Iterator[Site]:
    """Serves ``files`` while the block runs, over HTTPS if there is a context for it."""
    site = Site(files)
    handler = type("BoundHandler", (kind,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    site.url = f"http{'' if tls is None else 's'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
