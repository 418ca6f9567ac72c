r"""Reads lines of text files, plain or compressed, one at a time.

Only ``\n`` ends a line: mined text holds other characters at which Python would
split, and the two files of a pair would fall out of step.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from bayling_study.core.errors import StudyError

LONGEST = 1 << 24
"""Bytes of the longest line that is believed; more means that the file is no text."""


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields number (from 1) and text of every line, without its end and a byte order mark.

    Raises:
        StudyError: the file is not UTF-8 text, or its compression is damaged.
    """
    number = 0
    try:
        with _opened(path) as stream:
            while line := stream.readline(LONGEST):
                number += 1
                yield number, _text(line, number, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise StudyError(f"the compressed file is damaged ({error})", where=path) from error


def whole_text(path: Path) -> str:
    """Returns the text of a small file.

    Raises:
        StudyError: the file is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"not UTF-8 text ({error.reason})", where=path) from error


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return open(path, "rb")


def _text(line: bytes, number: int, path: Path) -> str:
    if len(line) == LONGEST:
        raise StudyError(f"a line has more than {LONGEST} bytes", where=f"{path}:{number}")
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(f"not UTF-8 text ({error.reason})", where=f"{path}:{number}") from error
