"""Fetches one file over HTTP so that an interrupted transfer goes on.

Bytes go to ``NAME.part``; a later attempt asks only for the rest (``Range``, tied to the same
version of the file by ``If-Range``). The file gets its name when its size and hash are right. What
may pass (a closed connection, a busy server, a stalled or dripping one) is tried again with growing
pauses, or the pause that ``Retry-After`` asks for; what will not pass is a ``StudyError`` at once.
"""

import errno
import logging
import math
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import tenacity
from urllib3.exceptions import HTTPError

from bayling_study.core.errors import StudyError
from bayling_study.core.files import CHUNK_BYTES, sha256_file, sync_directory
from bayling_study.core.network import retry_after
from bayling_study.core.progress import Progress
from bayling_study.stages.download import certificates

LOG = logging.getLogger(__name__)

CONNECT_SECONDS = 20.0
LONGEST_PAUSE_SECONDS = 600.0
PROGRESS_BYTES = 1 << 20
"""An attempt that brought at least this much does not count against the retries."""
PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Policy:
    """How patient a transfer is; see ``DownloadSection`` for what its section has too. ``pause`` is
    the first one between attempts in seconds; it doubles each time. A file of more than ``most``
    bytes is refused."""

    retries: int = 5
    timeout: float = 60.0
    slowest: float = 1024.0
    pause: float = 1.0
    most: float = math.inf


def file_name(url: str) -> str:
    """Returns the name that a file fetched from an address gets."""
    return unquote(urlsplit(url).path).rsplit("/", 1)[-1] or "index"


class TransientError(Exception):
    """A failure that may pass; ``pause`` has the seconds that the server asks to wait, if any."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class WrongHashError(StudyError):
    """The whole file came, and is not the one that was expected."""


def fetch(
    url: str, target: Path, sha256: str = "", expected_bytes: int | None = None,
    policy: Policy | None = None,
) -> None:  # fmt: skip
    """Fetches ``url`` to ``target``, going on from what an earlier call left (``StudyError`` if the
    server refuses, the content is not what was expected, the disk is full, or nothing more arrived
    within the policy's attempts). A ``.part`` file beside the target holds an unfinished transfer;
    a target that is there is kept if it has the expected size and hash, as far as they are known.
    """
    # A file gets its name only when it is whole, so an expectation is not needed.
    right = target.exists() and expected_bytes in (None, target.stat().st_size)
    if right and (not sha256 or sha256_file(target) == sha256):
        LOG.info("%s is fetched already", target.name)
        return
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    transfer = _Transfer(url, target, sha256, expected_bytes, policy or Policy())
    try:
        transfer.run()
    except OSError as error:
        if certificates.is_absent_bundle(error):
            raise StudyError(str(error), where=url, fix=certificates.ADVICE) from error
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        what = f"the disk is full after {transfer.have() / 1e9:.2f} GB of {target.name}"
        fix = "free some space and start again; the transfer continues where it stopped"
        raise StudyError(what, where=target.parent, fix=fix) from error


@dataclass
class _Transfer:
    """One file on its way; ``run`` tries until it is there."""

    url: str
    target: Path
    sha256: str
    expected_bytes: int | None
    policy: Policy
    stalled: int = 0

    def __post_init__(self) -> None:
        self.part = self.target.with_name(f"{self.target.name}.part")
        self.etag = self.target.with_name(f"{self.target.name}.part.etag")
        self.resumed = self.have() > 0  # may be a whole file of an earlier, unverified attempt

    def have(self) -> int:
        """Bytes that are on disk already."""
        return self.part.stat().st_size if self.part.exists() else 0

    def run(self) -> None:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=lambda _: self.stalled > self.policy.retries,
            wait=self._pause,
            before_sleep=self._say,
            reraise=True,
        )
        try:
            retrying(self._attempt)
        except TransientError as error:
            what = f"the transfer failed {self.stalled} times in a row ({error})"
            fix = "start again later, it continues where it stopped; or set download.mirrors "
            fix += "or download.local in the config"
            raise StudyError(what, where=self.url, fix=fix) from error
        with open(self.part, "rb+") as stream:  # a later call takes the name for the whole
            os.fsync(stream.fileno())
        self.part.replace(self.target)
        sync_directory(self.target.parent)
        self.etag.unlink(missing_ok=True)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TransientError) and error.pause is not None:
            return error.pause
        return float(min(self.policy.pause * 2 ** max(self.stalled - 1, 0), LONGEST_PAUSE_SECONDS))

    def _say(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        pause = state.next_action.sleep if state.next_action else 0.0
        LOG.warning("%s: %s; next attempt in %.0f s", self.target.name, error, pause)

    def _attempt(self) -> None:
        """Brings the rest of the file, or raises ``TransientError``."""
        before = self.have()
        try:
            if self.expected_bytes is None or before != self.expected_bytes:
                self._receive(before)
            self._check()
        except (requests.RequestException, HTTPError, TransientError) as error:
            certificates.refuse_untrusted(self.url, error)
            self.stalled = 0 if self.have() - before >= PROGRESS_BYTES else self.stalled + 1
            if isinstance(error, TransientError):
                raise
            raise TransientError(f"{type(error).__name__}: {error}") from error

    def _receive(self, start: int) -> None:
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if self.etag.exists():
                headers["If-Range"] = self.etag.read_text(encoding="utf-8")
        timeout = (min(CONNECT_SECONDS, self.policy.timeout), self.policy.timeout)
        with requests.get(self.url, headers=headers, stream=True, timeout=timeout) as response:
            if response.status_code == 416:
                self._discard()  # the file is shorter than what we have
                raise TransientError("the server has no such range; starting over")
            check_status(response, self.url)
            self.resumed = response.status_code == 206
            self._store_body(response, self._agree_on_start(response, start))

    def _agree_on_start(self, response: requests.Response, start: int) -> int:
        """Returns where the body begins: at ``start``, or at zero if the server sends it all."""
        if response.status_code != 206:
            self._discard()
            tag = response.headers.get("ETag", "")
            if tag and not tag.startswith("W/"):  # weak tags do not promise equal bytes
                self.etag.write_text(tag, encoding="utf-8")
            return 0
        span = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if not span or int(span[1]) != start:
            self._discard()
            raise TransientError("the server sent another range than asked; starting over")
        return start

    def _store_body(self, response: requests.Response, start: int) -> None:
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else self.expected_bytes
        self._refuse_wrong_size(total)
        progress = Progress(self.target.name, total, "B", done=start)
        with progress, open(self.part, "ab") as sink:
            for chunk in _chunks(response, self.policy):
                sink.write(chunk)
                progress.update(len(chunk))
                if max(progress.n, total or 0) > self.policy.most:
                    raise too_large(self.url, self.policy.most)
                if self.expected_bytes is not None and progress.n > self.expected_bytes:
                    self._refuse_wrong_size(progress.n)
        if total is not None and progress.n < total:
            raise TransientError(f"the connection closed after {progress.n} of {total} bytes")

    def _refuse_wrong_size(self, total: int | None) -> None:
        if self.expected_bytes is not None and total not in (None, self.expected_bytes):
            self._discard()
            what = f"the server's file has {total} bytes where {self.expected_bytes} were expected"
            fix = "the upstream file changed or the address is wrong; see the source's row"
            raise StudyError(what, where=self.url, fix=fix)

    def _check(self) -> None:
        """Compares size and hash; a resumed transfer that went wrong is begun again once."""
        if self.expected_bytes is not None and self.have() != self.expected_bytes:
            raise TransientError(f"{self.have()} of {self.expected_bytes} bytes")
        actual = sha256_file(self.part) if self.sha256 else ""
        if actual == self.sha256:
            return
        self._discard()
        if self.resumed:
            self.resumed = False
            raise TransientError("the resumed file has a wrong hash; starting over", pause=0.0)
        what = f"the file's sha256 is {actual}, expected {self.sha256}"
        fix = "the upstream file changed or was tampered with; do not use it unless you know why"
        raise WrongHashError(what, where=self.url, fix=fix)

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.etag.unlink(missing_ok=True)


def too_large(where: object, most: float) -> StudyError:
    """Returns the error of a file of which a rehearsal would read more than it may."""
    what = f"more than {most / 1e6:.0f} MB must be read for its first rows"
    fix = "raise rehearsal.source_megabytes, or name a copy under download.local"
    return StudyError(what, where=where, fix=fix)


def check_status(response: requests.Response, url: str) -> None:
    """Returns when a body follows; turns a refusal into ``TransientError`` with the pause of
    ``Retry-After`` if the server is busy, into ``StudyError`` if it will refuse every time."""
    status = response.status_code
    if status in (200, 206):
        return
    if status in PASSING_STATUS:
        raise TransientError(f"HTTP {status}", asked_pause(response))
    what = f"the server does not have the file (HTTP {status})"
    fix = "check the source's row, or set download.mirrors or download.local in the config"
    if status in (401, 403):
        what = f"the server refuses access (HTTP {status})"
        fix = "check the network's proxy or firewall, or fetch the file by other means and "
        fix += "name it under download.local in the config"
    raise StudyError(what, where=url, fix=fix)


def asked_pause(response: requests.Response) -> float | None:
    """Returns the seconds that the server asks to wait, if it does (``StudyError`` if it asks for a
    longer pause than a job should wait)."""
    seconds = retry_after(response.headers.get("Retry-After"))
    if seconds and seconds > LONGEST_PAUSE_SECONDS:
        what = f"the server asks to come back in {seconds:.0f} seconds"
        raise StudyError(what, fix="start again then; the transfer continues where it stopped")
    return seconds


def _chunks(response: requests.Response, policy: Policy) -> Iterator[bytes]:
    """Yields the body as it arrives; ends an attempt whose rate is hopeless. The socket's own
    timeout only sees silence. A server that drips a byte now and then is caught by the average rate
    over each ``policy.timeout``."""
    window, received = time.monotonic(), 0
    # read1 returns what has arrived; iter_content would wait for a full chunk.
    while chunk := response.raw.read1(CHUNK_BYTES):
        yield chunk
        received += len(chunk)
        elapsed = time.monotonic() - window
        if elapsed >= policy.timeout:
            if received < policy.slowest * elapsed:
                raise TransientError(f"too slow: {received} bytes in {elapsed:.0f} s")
            window, received = time.monotonic(), 0
