"""What the log says while a source is read."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from bayling_study.stages.corpora import progress


def test_rows_pass_and_are_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter(range(0, 1000, 15))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with caplog.at_level(logging.INFO):
        rows = list(progress.told(iter(range(2500)), "opus (2 of 3)"))
    assert rows == list(range(2500))
    assert caplog.messages == [
        "opus (2 of 3): 2000 rows, 44 a second",
        "opus (2 of 3): 2500 rows in 60 s",
    ]


def test_an_empty_source_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert list(progress.told([], "none (1 of 1)")) == []
    assert caplog.messages == ["none (1 of 1): 0 rows in 0 s"]
