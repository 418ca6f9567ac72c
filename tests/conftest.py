"""What all tests share: no time limit of Hypothesis, for a busy machine keeps none; and servers of
programs (``helpers.programs``), one with the same imports for all of pytest's workers, which
begin with the longest files."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from helpers.programs import keep

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Has the process that starts pytest's workers keep the servers."""
    if config.getoption("numprocesses", None):
        config.add_cleanup(keep().close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take minutes first, so that no worker begins one when others end."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)
