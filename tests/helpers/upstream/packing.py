"""Packs rows as upstreams publish them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Rows = Iterable[Mapping[str, Any]]
Files = dict[str, bytes]
"""Contents by path."""


def text_of(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def json_lines(rows: Rows) -> bytes:
    """JSON lines with letters as they are."""
    return text_of(json.dumps(row, ensure_ascii=False) for row in rows)


def json_array(rows: Rows, indent: int) -> bytes:
    """One array laid out over many lines, as Alpaca (4) and ShareGPT's cleaner (2) write it."""
    return json.dumps(list(rows), ensure_ascii=indent != 4, indent=indent).encode()


def parquet(rows: Rows, schema: pa.Schema | None = None, group: int = 1000) -> bytes:
    """Parquet with the hub's own metadata, in row groups of a size."""
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    features: dict[str, dict[str, str]] = {name: {} for name in table.column_names}
    facts = {"info": {"features": features}}
    table = table.replace_schema_metadata({"huggingface": json.dumps(facts)})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=group)
    return sink.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zipped(members: Files) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def tar_gz(members: Files, top: str) -> bytes:
    """A tar archive with folders of their own, below one top folder."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        folders = {"", *(name.rpartition("/")[0] for name in members)}
        for folder in sorted(folders):
            info = tarfile.TarInfo(f"{top}/{folder}".rstrip("/"))
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(info)
        for name, content in members.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return sink.getvalue()
