"""The upstreams of the full studies on the loopback interface: their files in small, served.

``upstream`` starts the server; a study's process is pointed at it by HF_ENDPOINT and by
``download.mirrors``, and a test in process by ``point_hub``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers.upstream.hub import Hub
from helpers.upstream.places import repositories, web
from helpers.upstream.sacrebleu_cache import fill
from helpers.upstream.server import Upstreams, running


@contextmanager
def upstream(folder: Path) -> Iterator[Upstreams]:
    """Serves all upstreams while the block runs; ``folder`` gets what cannot be served."""
    with running(web(), Hub(repositories())) as upstreams:
        upstreams.sacrebleu = fill(folder / "sacrebleu")
        yield upstreams


def point_hub(upstreams: Upstreams, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points the hub's client in this process at the server, with no account."""
    import huggingface_hub.constants as constants
    import huggingface_hub.hf_api as api

    for module in (constants, api):
        monkeypatch.setattr(module, "ENDPOINT", upstreams.endpoint, raising=False)
    template = upstreams.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", "/nonexistent")
    monkeypatch.delenv("HF_TOKEN", raising=False)
