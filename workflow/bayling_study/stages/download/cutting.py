"""Cuts one file short, in the form that its publisher gave it.

Of Parquet the first rows are kept, with schema and metadata; of text and JSON lines the first lines
(of a table one more, which may name its columns); of one JSON array the first elements as they are
laid out. What is packed by gzip, bzip2 or xz is packed again, without a time. All else is kept
whole: JSON objects, catalogues, pages, licences, binary files.
"""

import codecs
import gzip
import io
import json
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import PurePosixPath
from typing import IO, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.compression import compr

from bayling_study.core.errors import StudyError
from bayling_study.core.files import NOT_JSON
from bayling_study.stages.download.archives import DAMAGED
from bayling_study.stages.download.ranges import BLOCK, buffered
from bayling_study.stages.download.transfer import too_large

PACKED: dict[str, tuple[str, dict[str, Any]]] = {
    ".gz": ("gzip", {"filename": "", "mtime": 0}),
    **{".bz2": ("bz2", {}), ".xz": ("xz", {})},
}
DOCUMENTS = re.compile(
    r"(?i).*\.(md|ya?ml|po|x?html?|xml|rst|jinja)|(readme|licen[cs]e|copy(ing|right)|notice)\b.*"
)
"""Names of texts whose lines are no rows."""
STEP = 64  # rows of Parquet that are decoded between two looks at what was read
UNLIMITED = 1 << 40


class Portion(NamedTuple):
    """What is kept of a file: rows, bytes of text or of a transfer, bytes of one kept whole.
    ``spent`` tells what the transfer has read."""

    rows: int
    most: int = UNLIMITED
    whole: int = UNLIMITED
    spent: Callable[[], int] = int


class Kept(NamedTuple):
    """Rows that were kept (none: it is whole), and whether the file goes on behind them. ``budget``
    tells that the bytes were at an end before the rows."""

    rows: int | None = None
    more: bool = False
    budget: bool = False


def cut_file(name: str, stream: io.BufferedReader, sink: IO[bytes], portion: Portion) -> Kept:
    """Writes the first rows of ``stream`` to ``sink``; the format is told by name and beginning
    (``StudyError`` if it is damaged, has no row within the budget, or cannot be cut and is too
    large)."""
    try:
        kept = _cut(PurePosixPath(name), stream, sink, portion)
    except (*DAMAGED, pa.ArrowException, OSError) as error:
        plain = type(error) in (OSError, gzip.BadGzipFile) and getattr(error, "errno", None) is None
        if isinstance(error, OSError) and not plain:  # the disk's or the network's
            raise
        raise StudyError(f"the file is damaged ({error})", where=name) from error
    if kept.budget and not kept.rows:
        what = f"its first row does not end within {portion.most / 1e6:.1f} MB"
        raise StudyError(what, where=name, fix="raise rehearsal.file_megabytes")
    return kept


def _cut(name: PurePosixPath, stream: io.BufferedReader, sink: IO[bytes], portion: Portion) -> Kept:
    suffix = name.suffix.lower()
    if suffix in PACKED:
        kind, facts = PACKED[suffix]
        inner, outer = compr[kind](stream, mode="rb"), compr[kind](sink, mode="wb", **facts)
        with closing(inner), closing(outer):
            return _cut(name.with_suffix(""), buffered(inner), outer, portion)
    if suffix == ".parquet":
        return cut_parquet(stream, sink, portion)
    head = stream.peek(BLOCK)
    if suffix == ".json" and head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"[":
        return cut_array(stream, sink, portion)
    lines = b"\0" not in head and not DOCUMENTS.fullmatch(name.name)
    if lines and (suffix != ".json" or _is_json(head.partition(b"\n")[0])):
        return cut_lines(stream, sink, portion, portion.rows + (suffix == ".tsv"))
    left = portion.whole
    while chunk := stream.read(BLOCK):
        left -= sink.write(chunk)
        if left < 0:
            raise too_large(name, portion.whole)
    return Kept()


def _is_json(line: bytes) -> bool:
    """Tells whether the first line is a value of its own, as in JSON lines."""
    try:
        json.loads(line.decode("utf-8-sig"))
    except NOT_JSON:
        return False
    return True


def cut_lines(stream: io.BufferedReader, sink: IO[bytes], portion: Portion, rows: int) -> Kept:
    r"""Keeps so many lines; only ``\n`` ends one, and the last need not be ended."""
    left, kept = portion.most, 0
    while kept < rows and (line := stream.readline(left + 1)):
        left -= len(line)
        if left < 0:
            return Kept(kept, more=True, budget=True)
        sink.write(line)
        kept += 1
    return Kept(kept, more=bool(stream.peek(1)))


def cut_array(stream: io.BufferedReader, sink: IO[bytes], portion: Portion) -> Kept:
    """Keeps the first elements of one JSON array, on one line or laid out over many (``ValueError``
    if what follows the elements that were read is no JSON)."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    text, first, end, kept = "", 0, 0, 0
    while len(text) < portion.most and kept < portion.rows and (chunk := stream.read(BLOCK)):
        text += decode(chunk)
        first = first or text.index("[") + 1
        end = end or first
        while kept < portion.rows and (found := _element_end(text, end)):
            end, kept = found, kept + 1
    more = not text[end:].lstrip().startswith("]")
    budget = more and kept < portion.rows
    if budget and len(text) < portion.most:
        raise ValueError(f"no JSON behind element {kept}")
    laid_out = "\n" if re.match(r"[ \t\r]*\n", text[first:]) else ""
    sink.write((f"{text[:end]}{laid_out}]" if more else text).encode())
    return Kept(kept, more, budget)


def _element_end(text: str, place: int) -> int:
    """Returns the end of the element behind ``place``; 0 if it or what follows has not come yet."""
    start = re.compile(r"[\s,]*").match(text, place)
    try:
        _, end = json.JSONDecoder().raw_decode(text, start.end() if start else place)
    except NOT_JSON:
        return 0
    return end if re.compile(r"\s*[],]").match(text, end) else 0


def cut_parquet(stream: io.BufferedReader, sink: IO[bytes], portion: Portion) -> Kept:
    """Keeps the first rows; of a transfer, the pages that hold them and the footer are read."""
    rows, kept = portion.rows, 0
    # Without these two a whole row group would be fetched.
    with pq.ParquetFile(stream, pre_buffer=False, buffer_size=BLOCK) as file:
        with pq.ParquetWriter(sink, file.schema_arrow) as writer:
            for batch in file.iter_batches(min(rows, STEP), use_threads=False):
                writer.write_batch(batch.slice(0, rows - kept))
                kept = min(rows, kept + len(batch))
                if kept == rows or portion.spent() > portion.most:
                    break
        total = file.metadata.num_rows
    return Kept(kept, more=kept < total, budget=kept < min(rows, total))
