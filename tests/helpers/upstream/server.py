"""One server on the loopback interface for the hub and every other host that studies fetch from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from helpers.download_server import Site, served
from helpers.upstream.answering import Answering
from helpers.upstream.hub import Hub

Content = bytes | Callable[[], bytes]
"""A file, or what makes it when it is first asked for."""


@dataclass
class Upstreams:
    """Files of web servers by address, the hub's repositories, and what was asked for.

    ``sacrebleu`` is the filled folder that stands for what it downloads itself.
    """

    web: dict[str, Content]
    hub: Hub
    site: Site = field(default_factory=Site)
    asked: list[str] = field(default_factory=list)
    sacrebleu: Path = Path()

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is to say."""
        return self.site.url

    @property
    def hosts(self) -> list[str]:
        return sorted({urlsplit(address).netloc for address in self.web})

    @property
    def mirrors(self) -> dict[str, str]:
        """What ``download.mirrors`` is to say."""
        return {f"https://{host}": f"{self.endpoint}/{host}" for host in self.hosts}

    def environment(self, home: Path, token: str = "") -> dict[str, str]:
        """Returns what points a process at the server, with a cache of its own."""
        here = "127.0.0.1,localhost"
        account = {"HF_TOKEN": token, "HF_HUB_OFFLINE": "0"}
        return {
            **account, "HF_ENDPOINT": self.endpoint, "HF_HOME": str(home),
            "SACREBLEU": str(self.sacrebleu), "NO_PROXY": here, "no_proxy": here,
        }  # fmt: skip

    def content(self, path: str) -> bytes | None:
        """Returns the file of a path that begins with a host, made only once."""
        address = f"https:/{unquote(path)}"
        found = self.web.get(address)
        if callable(found):
            found = self.web[address] = found()
        return found


class UpstreamHandler(Answering):
    """Answers as the host would that a path begins with, else as the hub."""

    upstreams: Upstreams

    def answer(self) -> None:
        """Notes the request and answers it."""
        path = urlsplit(self.path).path
        asked = f"{self.command} {path} {self.headers.get('Range', '')}"
        self.upstreams.asked.append(asked.strip())
        if path.split("/")[1] in self.upstreams.hosts:
            self.give(self.upstreams.content(path))
        else:
            self.upstreams.hub.answer(self)

    do_GET = do_HEAD = do_POST = answer  # noqa: N815


@contextmanager
def running(web: dict[str, Content], hub: Hub) -> Iterator[Upstreams]:
    """Serves them while the block runs."""
    upstreams = Upstreams(web, hub)
    kind = type("BoundUpstream", (UpstreamHandler,), {"upstreams": upstreams})
    with served({}, kind=kind) as site:
        upstreams.site = site
        yield upstreams
