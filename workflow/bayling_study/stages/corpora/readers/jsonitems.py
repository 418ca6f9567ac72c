"""Reads the items of a large JSON file one at a time. Alpaca, ShareGPT and the ALMA files are one
JSON array, up to 673 MB; BELLE's are JSON lines, whatever their ending; the hub's are Parquet. All
are cut into objects here without holding the file: text, plain or compressed, is read in blocks,
and an object is decoded as soon as it is whole."""

import io
import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from pathlib import Path
from typing import IO, Any

from bayling_study.core import parquet
from bayling_study.core.errors import StudyError
from bayling_study.core.files import NOT_JSON, refuse_constant
from bayling_study.stages.corpora.readers.lines import lines, opened

BLOCK = 1 << 20
VISIBLE = re.compile(r"\S")
MAX_ITEM = 1 << 28
"""Characters of the largest item that is believed; more means that the file is broken."""
NEAR_END = 16
"""An error this near to the end of what was read (a cut literal or escape) may be a cut item."""


def read_items(path: Path) -> Iterator[tuple[int, Any]]:
    """Yields the items of JSON or Parquet, numbered from 1 (``StudyError`` names a broken row)."""
    if path.suffix == ".parquet":
        yield from enumerate(parquet.rows(path), start=1)
        return
    with opened(path) as stream:
        start = stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
    if ".jsonl" in path.suffixes or start.startswith(b"{"):
        yield from enumerate(_lines(path), start=1)
        return
    with opened(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig")
        yield from enumerate(_ArrayReader(text, path).items(), start=1)


def object_of(row: Any, where: str) -> dict[str, Any]:
    """Returns an item that must be an object (``StudyError`` if it is not)."""
    if isinstance(row, StudyError):
        raise row
    if not isinstance(row, dict):
        raise StudyError("the row is not a JSON object", where=where)
    return row


def text_of(row: dict[str, Any], key: str, where: str) -> str:
    """Returns a text field of a row (``StudyError`` if it is missing or not text)."""
    if key not in row:
        raise StudyError(f"the key {key!r} is missing", where=where)
    if not isinstance(row[key], str):
        raise StudyError(f"the value of {key!r} is not text", where=where)
    return str(row[key])


def optional_text(row: dict[str, Any], key: str, where: str) -> str:
    """Returns a text field (see ``text_of``), empty where it is absent or null."""
    return "" if row.get(key) is None else text_of(row, key, where)


def _lines(path: Path) -> Iterator[Any]:
    """Yields the rows of JSON lines; what cannot be read as the ``StudyError`` that says why."""
    for number, line in lines(path):
        try:
            yield STRICT.decode(line) if line.strip() else ""
        except NOT_JSON as error:
            yield StudyError(f"not a JSON row ({error})", where=f"{path}: row {number}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns an object; refused with a key twice, of which parsers take the first or the last."""
    if len(found := dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {max(names, key=names.count)!r} occurs twice")
    return found


STRICT = JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=_once)
LENIENT = JSONDecoder(parse_int=str)  # finds the end of an item that ``STRICT`` refuses


class _ArrayReader:
    """Cuts JSON arrays, mostly one, into their items, holding one block and one item at most."""

    def __init__(self, stream: IO[str], path: Path) -> None:
        self._stream = stream
        self._path = path
        self._buffer = ""
        self._position = 0
        self._row = 0

    def items(self) -> Iterator[Any]:
        """Yields the items of all arrays (as ``cat a.json b.json`` leaves them)."""
        self._expect("[")
        yield from self._array()
        while self._rest():
            if self._peek() != "[":
                raise self._wrong(f"{self._peek()!r} follows the end of the JSON array")
            self._position += 1
            yield from self._array()

    def _array(self) -> Iterator[Any]:
        if self._peek() == "]":
            self._position += 1
            return
        while True:
            self._row += 1
            self._peek()
            yield self._item()
            if self._peek() == "]":
                self._position += 1
                return
            self._expect(",")

    def _item(self) -> Any:
        decoder, odd = STRICT, None
        while True:
            try:
                item, self._position = decoder.raw_decode(self._buffer, self._position)
                return odd or item
            except JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string")
                near = error.pos >= len(self._buffer) - NEAR_END
                if not (cut or near) or not self._more():
                    raise self._wrong(f"not valid JSON ({error.msg})") from error
            except RecursionError as error:
                raise self._wrong(f"not valid JSON ({error})") from error
            except ValueError as error:  # JSON, but not to be trusted
                decoder, odd = LENIENT, self._wrong(f"not a JSON row ({error})")

    def _peek(self) -> str:
        """Skips white space and returns the next character without taking it."""
        if not self._rest():
            raise self._wrong("the file ends in the middle of its JSON array")
        return self._buffer[self._position]

    def _rest(self) -> bool:
        """Skips white space and tells whether anything is left of the file."""
        while not (found := VISIBLE.search(self._buffer, self._position)):
            self._position = len(self._buffer)
            if not self._more():
                return False
        self._position = found.start()
        return True

    def _expect(self, character: str) -> None:
        if self._peek() != character:
            raise self._wrong(f"{character!r} expected, not {self._peek()!r}")
        self._position += 1

    def _more(self) -> bool:
        """Reads on, doubling with the item's size so that long items cost linear time."""
        kept = self._buffer[self._position :]
        if len(kept) > MAX_ITEM:
            return False
        try:
            block = self._stream.read(max(BLOCK, len(kept)))
        except UnicodeDecodeError as error:
            raise self._wrong(f"not UTF-8 text ({error.reason})") from error
        self._buffer, self._position = kept + block, 0
        return bool(block)

    def _wrong(self, what: str) -> StudyError:
        return StudyError(what, where=f"{self._path}: row {self._row}")
