"""Transfers against a real local HTTP server that fails in every way we know."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from bayling_study.core.errors import StudyError
from bayling_study.stages.download import transfer
from bayling_study.stages.download.transfer import Policy, asked_pause, fetch
from helpers.download_server import Site, served

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
POLICY = Policy(retries=2, timeout=10, slowest=1000.0, pause=0.01)
HASTY = replace(POLICY, timeout=1.0)
"""For servers that are slow or silent by intention."""


@pytest.fixture
def site() -> Iterator[Site]:
    with served({"/data.bin": CONTENT}) as running:
        yield running


def get(
    site: Site,
    folder: Path,
    sha256: str = SHA256,
    size: int | None = None,
    policy: Policy = POLICY,
) -> bytes:
    target = folder / "data.bin"
    fetch(f"{site.url}/data.bin", target, sha256, size, policy)
    return target.read_bytes()


def test_whole_file_leaves_nothing_else(site: Site, tmp_path: Path) -> None:
    assert get(site, tmp_path) == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["data.bin"]


def test_server_that_closes_half_way_is_resumed(site: Site, tmp_path: Path) -> None:
    site.faults = [lambda handler: handler.serve(keep=100_000)]
    assert get(site, tmp_path) == CONTENT
    assert site.ranges == ["", "bytes=100000-"]


def test_interrupted_run_is_resumed_by_the_next(site: Site, tmp_path: Path) -> None:
    site.faults = [lambda handler: handler.serve(keep=7)] * 3
    with pytest.raises(StudyError, match="continues where it stopped"):
        get(site, tmp_path)
    assert (tmp_path / "data.bin.part").stat().st_size == 21
    assert get(site, tmp_path) == CONTENT
    assert site.ranges[-1] == "bytes=21-"


def test_complete_leftover_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT)
    assert get(site, tmp_path, size=len(CONTENT)) == CONTENT
    assert site.ranges == []


def test_changed_upstream_is_not_mixed_with_the_old_part(site: Site, tmp_path: Path) -> None:
    site.faults = [lambda handler: handler.serve(keep=100)] * 3
    with pytest.raises(StudyError):
        get(site, tmp_path, sha256="")
    changed = CONTENT[::-1]
    site.files["/data.bin"], site.etag = changed, '"two"'
    assert get(site, tmp_path, sha256="") == changed


def test_damaged_leftover_is_begun_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(b"x" * 1000)
    assert get(site, tmp_path) == CONTENT


def test_leftover_longer_than_the_file_is_begun_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT + b"more")
    assert get(site, tmp_path) == CONTENT


def test_server_without_ranges_sends_all_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data.bin.part").write_bytes(CONTENT[:500])
    (tmp_path / "data.bin.part.etag").write_text('"of another time"')
    assert get(site, tmp_path) == CONTENT


def test_wrong_hash_names_both_and_leaves_no_file(site: Site, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=f"sha256 is {SHA256}, expected {'0' * 64}"):
        get(site, tmp_path, sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_wrong_size_is_refused_before_the_body(site: Site, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=f"has {len(CONTENT)} bytes where 5 were expected"):
        get(site, tmp_path, size=5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("status", "advice"), [(403, "download.local"), (404, "mirrors")])
def test_refusals_are_told_at_once(site: Site, tmp_path: Path, status: int, advice: str) -> None:
    site.faults = [lambda handler: handler.refuse(status)]
    with pytest.raises(StudyError, match=f"HTTP {status}") as caught:
        get(site, tmp_path)
    assert advice in caught.value.render()
    assert len(site.ranges) == 1


def test_busy_server_is_left_alone_as_long_as_it_asks(site: Site, tmp_path: Path) -> None:
    site.faults = [lambda handler: handler.refuse(429, Retry_After="1")]
    start = time.monotonic()
    assert get(site, tmp_path) == CONTENT
    assert time.monotonic() - start >= 1.0


def test_slow_drip_ends_and_keeps_what_came(site: Site, tmp_path: Path) -> None:
    site.faults = [lambda handler: handler.serve(pause=0.05)] * 3
    # A machine that stands still for as long sees silence in place of a drip.
    with pytest.raises(StudyError, match=r"3 times in a row \(.*(too slow|timed out)"):
        get(site, tmp_path, policy=HASTY)
    came = (tmp_path / "data.bin.part").read_bytes()
    assert came and CONTENT.startswith(came)


class Drip:
    """A body of which a byte arrives each eighth of a second of a clock that it moves itself."""

    def __init__(self, clock: list[float]) -> None:
        self.raw, self.clock = self, clock

    def read1(self, _: int) -> bytes:
        self.clock[0] += 0.125
        return b"x"


def test_a_drip_is_told_from_its_average_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    came = 0
    with pytest.raises(transfer.TransientError, match="too slow: 80 bytes in 10 s"):
        for _ in transfer._chunks(Drip(clock), POLICY):
            came += 1
    assert came == 80
    steady = transfer._chunks(Drip(clock), replace(POLICY, slowest=5.0))
    assert len(list(islice(steady, 300))) == 300


def test_silence_ends(site: Site, tmp_path: Path) -> None:
    site.faults = [lambda handler: time.sleep(3.0)] * 3
    with pytest.raises(StudyError, match="3 times in a row"):
        get(site, tmp_path, policy=HASTY)


def test_full_disk_says_so(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transfer.Progress, "update", full)
    with pytest.raises(StudyError, match="the disk is full"):
        get(site, tmp_path)


def test_no_pause_is_longer_than_a_job_should_wait() -> None:
    response = requests.Response()
    assert asked_pause(response) is None
    response.headers["Retry-After"] = "7"
    assert asked_pause(response) == 7.0
    response.headers["Retry-After"] = "86400"
    with pytest.raises(StudyError, match="come back in 86400 seconds"):
        asked_pause(response)
