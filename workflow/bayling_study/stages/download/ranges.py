"""A file of a web server as a file object, of which only that is fetched which is read.

fsspec's own HTTP client knows neither the certificates nor the accounts (``~/.netrc``) that
requests knows, and believes a server that ignores ``Range``; so its file class is used, and the
requests are those of ``transfer``. What may pass is a ``TransientError``: open the file again.
"""

import io
import re
from collections.abc import Mapping
from typing import IO

import requests
from fsspec.spec import AbstractBufferedFile

from bayling_study.core.errors import StudyError
from bayling_study.stages.download import transfer
from bayling_study.stages.download.transfer import Policy, TransientError, told

BLOCK = 1 << 18
"""Bytes of a request: the footer of most Parquet files, forty rows of most texts."""
UNKNOWN_BYTES = 1 << 62


class WebFile(AbstractBufferedFile):  # type: ignore[misc]
    """A file that is read by ranges, or from its one answer where the server has none.

    Such an answer is kept as far as it was read, so that reading may go back. ``brought`` counts
    the bytes that came; more than ``most`` are an error. ``whole`` is for formats that are read
    from their end: an answer without ranges is then read at once.
    """

    def __init__(
        self, url: str, policy: Policy, most: int, headers: Mapping[str, str] | None = None,
        whole: bool = False,
    ) -> None:  # fmt: skip
        self.url, self.policy, self.most, self.brought = url, policy, most, 0
        self._session, self._headers = requests.Session(), dict(headers or {})
        if headers:  # an account for the same host in ~/.netrc would replace the token
            self._session.auth = lambda request: request
        with told(url):
            first = self._get(0, BLOCK)
            span = re.fullmatch(r"bytes 0-\d+/(\d+)", first.headers.get("Content-Range", ""))
            self.ranges = first.status_code == 206 and span is not None
            length = span[1] if span else first.headers.get("Content-Length", "")
            size = int(length) if length.isdigit() else UNKNOWN_BYTES
            if first.status_code == 416:  # an empty file has no first byte
                size = 0
            self._came, self._body = bytearray(), transfer.chunks(first, policy)
            self.size = size
            super().__init__(None, url, "rb", BLOCK, cache_type="none", size=size)
            if self.ranges:
                self._bring(BLOCK)
                tag = first.headers.get("ETag", "")
                self._headers |= {"If-Range": tag} if tag and not tag.startswith("W/") else {}
            elif whole:
                self._bring(UNKNOWN_BYTES)

    def _get(self, start: int, end: int) -> requests.Response:
        headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{end - 1}"}
        timeout = (min(transfer.CONNECT_SECONDS, self.policy.timeout), self.policy.timeout)
        response = self._session.get(
            self.url, headers=headers | self._headers, stream=True, timeout=timeout
        )
        if response.status_code != 416 or start:
            transfer.check_status(response, self.url)
        return response

    def _bring(self, end: int) -> None:
        """Reads on in the answer, up to the byte before ``end`` if there are so many."""
        while len(self._came) < end:
            chunk = next(self._body, b"")
            if not chunk and len(self._came) < min(self.size, end) < UNKNOWN_BYTES:
                raise TransientError(f"the connection closed after {len(self._came)} bytes")
            if not chunk:
                self.size = self.cache.size = len(self._came)
                return
            self._came += chunk
            self._count(len(chunk))

    def _count(self, count: int) -> None:
        self.brought += count
        if self.brought > self.most:
            what = f"more than {self.most / 1e6:.0f} MB must be read for its first rows"
            fix = "raise rehearsal.source_megabytes, or name a copy under download.local"
            raise StudyError(what, where=self.url, fix=fix)

    def _fetch_range(self, start: int, end: int) -> bytes:
        with told(self.url):
            if not self.ranges:
                self._bring(end)
            if not self.ranges or end <= len(self._came):
                return bytes(self._came[start:end])
            answer = self._get(start, end)
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                raise TransientError(
                    "the file changed, or the server sent another range than asked"
                )
            content = b"".join(transfer.chunks(answer, self.policy))
            self._count(len(content))
            if len(content) != end - start:
                raise TransientError(f"{len(content)} of {end - start} bytes came")
            return content

    def close(self) -> None:
        """Ends the transfer, however much is left of it."""
        self._session.close()
        super().close()


def buffered(stream: io.IOBase | IO[bytes]) -> io.BufferedReader:
    """Returns a file object that asks for blocks, whatever is read of it."""
    return io.BufferedReader(stream, BLOCK)  # type: ignore[arg-type]
