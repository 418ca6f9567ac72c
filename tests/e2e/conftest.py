"""What several tests in a real browser share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.browser import Browser


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser with a profile of its own, the same for all tests of a module."""
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()
