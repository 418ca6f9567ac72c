"""The progress meter: lines in a log, a bar on a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
import tqdm.std

from bayling_study.core.progress import Progress
from bayling_study.shared.tracking.record import run_record

STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", re.MULTILINE)


class Clock:
    """A clock that only the test moves."""

    now = 1_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(tqdm.std, "time", lambda: clock.now)
    yield clock


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return STAMP.sub("", capsys.readouterr().err).splitlines()


def test_rows_pass_and_are_told_now_and_then(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = []
    for row in Progress("opus (2 of 3)", over=iter(range(50))):
        rows.append(row)
        clock.now += 0.5
    assert rows == list(range(50))
    assert lines(capsys) == [
        "opus (2 of 3): 30 rows in 00:15, 2.00 rows/s",
        "opus (2 of 3): 50 rows in 00:25, 2.00 rows/s",
    ]


def test_nothing_to_do_is_told(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Progress("none", over=[])) == []
    assert lines(capsys) == ["none: 0 rows in 00:00, ? rows/s"]


def test_the_rate_is_that_of_this_attempt(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("weights", 10_000_000, "B", done=6_000_000) as progress:
        clock.now += 20
        progress.set_postfix_str("3 of 9 tensors", refresh=False)
        progress.update(2_000_000)
    assert (
        lines(capsys)
        == [
            "weights: 8.00MB of 10.0MB in 00:20, 100kB/s, 3 of 9 tensors, 00:20 left",
        ]
        * 2
    )


def test_an_interrupted_job_tells_how_far_it_came(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), Progress("wmt22", 4, "answers") as progress:
        clock.now += 2
        progress.update()
        sys.exit(75)
    assert lines(capsys) == ["wmt22: 1 of 4 answers in 00:02, 0.50 answers/s, 00:06 left"]


def test_no_thread_is_started() -> None:
    before = threading.enumerate()
    with Progress("x", 1) as progress:
        progress.update()
        assert threading.enumerate() == before


ON_A_TERMINAL = """
import logging
from bayling_study.core.progress import Progress
logging.basicConfig(level=logging.INFO)
with Progress("rows of a source", 4) as progress:
    progress.update(2)
    logging.info("a note")
    progress.update(2)
"""


def on_a_terminal(columns: int) -> str:
    own, other = os.openpty()
    termios.tcsetwinsize(other, (24, columns))
    subprocess.run([sys.executable, "-c", ON_A_TERMINAL], stderr=other, check=True)
    os.close(other)
    with open(own, encoding="utf-8") as stream:
        shown = ""
        with suppress(OSError):  # how a terminal tells its end
            while part := stream.readline():
                shown += part
    return shown


def test_a_terminal_shows_a_bar_below_what_is_logged() -> None:
    shown = on_a_terminal(70)
    assert re.search(r"rows of a source: 100%\|█+\| 4/4 ", shown)
    assert shown.index("INFO:root:a note\n") < shown.index("100%|")


def test_a_terminal_that_tells_no_width_gets_lines() -> None:
    assert "rows of a source: 4 of 4 rows in 00:00" in on_a_terminal(0)


def test_a_meter_names_the_job_that_the_process_is_at(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Progress, "job", "")
    with run_record(tmp_path / "r.json", "generation", "tuned", "demo", ""):
        list(Progress("wmt22 turn 1", over=[1, 2]))
    with run_record(tmp_path / "s.json", "corpora", "corpora", "demo", ""):
        list(Progress("reading", over=[1]))
    first, second = capsys.readouterr().err.splitlines()
    assert " generation tuned: wmt22 turn 1: 2 of 2 rows in " in first
    assert " corpora: reading: 1 of 1 rows in " in second
