"""A file of a web server of which only that is fetched which is read. fsspec's own HTTP client
knows neither the certificates nor the accounts (``~/.netrc``) that requests knows, so its file
class is used and the requests are those of requests."""

import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import requests
from fsspec.spec import AbstractBufferedFile
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import HTTPError

from bayling_study.core.errors import StudyError
from bayling_study.stages.download import certificates, transfer

BLOCK = 1 << 18  # bytes of a request: the footer of most Parquet files, forty rows of most texts
Opened = tuple[io.BufferedReader, Callable[[], int]]
"""A file object, and the function that counts the bytes that were read for it."""


class WebFile(AbstractBufferedFile):  # type: ignore[misc]
    """A file that is read by ranges, of which each is checked: some servers ignore them."""

    def __init__(self, url: str, get: Callable[..., requests.Response], size: int) -> None:
        super().__init__(None, url, "rb", BLOCK, size=size)
        self.get = get

    def _fetch_range(self, start: int, end: int) -> bytes:
        answer = self.get(self.path, headers={"Range": f"bytes={start}-{end - 1}"})
        transfer.check_status(answer, self.path)
        span = answer.headers.get("Content-Range", "")
        if not span.startswith(f"bytes {start}-") or len(answer.content) != end - start:
            raise transfer.TransientError("the file changed, or another range came than was asked")
        return answer.content


@contextmanager
def opened(url: str, policy: transfer.Policy, seeks: bool) -> Iterator[Opened]:
    """Opens a file of a web server (``StudyError`` if the server refuses, gives up, or has too
    large a file and no ranges). One that ``seeks`` is read by ranges, or whole where the server has
    none; any other is read as it comes, until the block ends."""
    # ``other``: a certificate that is not trusted now never will be.
    again = Retry(policy.retries, other=0, backoff_factor=policy.pause, raise_on_status=False)
    again.status_forcelist = transfer.PASSING_STATUS
    with told(url), requests.Session() as session, tempfile.TemporaryFile() as whole:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=again))
        session.headers["Accept-Encoding"] = "identity"
        timeout = (min(transfer.CONNECT_SECONDS, policy.timeout), policy.timeout)
        get = partial(session.get, timeout=timeout)
        first = get(url, headers={"Range": "bytes=0-0"} if seeks else {}, stream=True)
        transfer.check_status(first, url)
        size = first.headers.get("Content-Range", "").rpartition("/")[2]
        if first.status_code == 206 and not size.isdigit():  # it has ranges and tells no size
            first = get(url, stream=True)
        first.raw.auto_close = False  # the end of the file does not close it
        if not seeks:
            yield buffered(first.raw), first.raw.tell
        elif first.status_code == 206 and size.isdigit():
            yield counted(WebFile(url, get, int(size)))
        else:
            while chunk := first.raw.read(BLOCK):
                if whole.write(chunk) and whole.tell() > policy.most:
                    raise transfer.too_large(url, policy.most)
            whole.seek(0)
            yield buffered(whole), first.raw.tell


@contextmanager
def told(url: str) -> Iterator[None]:
    """Turns what requests raises into the ``StudyError`` that says what to do."""
    try:
        yield
    except (OSError, HTTPError, transfer.TransientError) as error:
        if getattr(error, "errno", None) is not None:  # the disk's
            raise
        certificates.refuse_untrusted(url, error)
        fix = "start again later; or set download.mirrors or download.local in the config"
        fix = certificates.ADVICE if certificates.is_absent_bundle(error) else fix
        raise StudyError(f"the transfer failed ({error})", where=url, fix=fix) from error


def counted(stream: AbstractBufferedFile) -> Opened:
    """Returns one of fsspec's files as it is read here."""
    return buffered(stream), lambda: stream.cache.total_requested_bytes


def buffered(stream: Any) -> io.BufferedReader:
    """Returns a file object that asks for blocks, whatever is read of it."""
    return io.BufferedReader(stream, BLOCK)
