r"""Reads lines of text files, plain or compressed, one at a time. Only ``\n`` ends a line: mined
text holds other characters at which Python would split, and the two files of a pair would fall out
of step."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from bayling_study.core.errors import StudyError

LONGEST = 1 << 24  # bytes of the longest line that is believed; more means that the file is no text
OPENERS: dict[str, Callable[..., Any]] = {
    **{".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open},
    ".zst": lambda path, mode: io.BufferedReader(pa.input_stream(path)),
}
"""How a compressed file is opened, by its suffix; all read on behind the first member or frame."""


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields number (from 1) and text of every line, without its end and a byte order mark
    (``StudyError`` if the file is not UTF-8 text, or its compression is damaged)."""
    with opened(path) as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LONGEST), b""), start=1):
            if len(line) == LONGEST:
                raise StudyError(f"a line has more than {LONGEST} bytes", where=f"{path}:{number}")
            start = b"\xef\xbb\xbf" if number == 1 else b""
            try:
                text = line.removeprefix(start).removesuffix(b"\n").removesuffix(b"\r").decode()
            except UnicodeDecodeError as error:
                what = f"not UTF-8 text ({error.reason})"
                raise StudyError(what, where=f"{path}:{number}") from error
            yield number, text


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file for reading, unpacked by its suffix (``StudyError`` if it is damaged)."""
    try:
        with OPENERS.get(path.suffix, open)(path, "rb") as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if getattr(error, "errno", None) is not None:  # the disk's; of damage there is no number
            raise
        raise StudyError(f"the compressed file is damaged ({error})", where=path) from error
