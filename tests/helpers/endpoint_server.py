"""A real HTTP server on loopback that answers chat completions as a script says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bayling_study.config.systems import EndpointSystem

Body = dict[str, Any]
Answering = Callable[[Body, int], str]
"""``(body of the request, its number from 0) -> the answer's text``."""


def completion(text: str, body: Body, **changed: Any) -> Body:
    """Returns a chat completion; a token is a word here."""
    asked = sum(len(message["content"].split()) for message in body["messages"])
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    return {
        "id": "x",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [{**choice, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": asked, "completion_tokens": len(text.split())},
        **changed,
    }


class Server(ThreadingHTTPServer):
    """Keeps what it was asked.

    Attributes:
        bodies: body of every request, in the order of arrival.
        keys: value of every Authorization header.
        faults: what to do instead of answering, first come first served; none answers.
        busy, busiest: requests being answered now, and at most.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, answer: Answering) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.bodies: list[Body] = []
        self.keys: list[str] = []
        self.faults: list[Callable[[Handler], None] | None] = []
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.busy = self.busiest = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def settings(self, **changed: Any) -> EndpointSystem:
        """Returns the section of a system behind this server."""
        values = {"kind": "endpoint", "url": self.url, "model": "m", "backoff": 0.001, **changed}
        return EndpointSystem.model_validate(values)

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            number = len(server.bodies)
            server.bodies.append(body)
            server.keys.append(self.headers.get("Authorization", ""))
            server.busy += 1
            server.busiest = max(server.busiest, server.busy)
            fault = server.faults.pop(0) if server.faults else None
        try:
            if fault:
                fault(self)
            else:
                self.reply(json.dumps(completion(server.answer(body, number), body)))
        finally:
            with server.lock:
                server.busy -= 1

    def reply(self, text: str, status: int = 200, **headers: str) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Silent."""


def status(code: int, text: str = "{}", **headers: str) -> Callable[[Handler], None]:
    """A refusal."""
    return lambda handler: handler.reply(text, code, **headers)


def says(text: str) -> Callable[[Handler], None]:
    """An answer that is no chat completion."""
    return lambda handler: handler.reply(text)


def hangs(handler: Handler) -> None:
    """Takes the request and never answers."""
    handler.server.released.wait(60)
    handler.close_connection = True


def trickles(handler: Handler) -> None:
    """Sends a byte now and then, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    while not handler.server.released.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()
    handler.close_connection = True


def breaks_off(handler: Handler) -> None:
    """Promises more than it sends, then closes."""
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.wfile.flush()
    handler.close_connection = True


def hangs_up(handler: Handler) -> None:
    """Closes the connection without a word."""
    handler.close_connection = True


@contextmanager
def serving(answer: Answering = lambda body, number: "fine") -> Iterator[Server]:
    """Runs a server for a while."""
    server = Server(answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
