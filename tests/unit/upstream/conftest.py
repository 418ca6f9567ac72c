"""The upstreams of the full studies, started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.upstream import point_hub, upstream
from helpers.upstream.server import Upstreams


@pytest.fixture(scope="session")
def upstreams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    with upstream(tmp_path_factory.mktemp("upstream")) as running:
        yield running


@pytest.fixture
def out(upstreams: Upstreams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    point_hub(upstreams, monkeypatch)
    return tmp_path / "resources" / "download" / "set-12345678"
