"""Rows of the source table and archives, for tests of downloads."""

from __future__ import annotations

import hashlib
import io
import tarfile

from bayling_study.shared.sources.table import SourceRow

COMMIT = "8f6ecb9"


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def row(kind: str, location: str, **values: object) -> SourceRow:
    return SourceRow.model_validate(
        {"id": "set", "kind": kind, "location": location, "licence": "CC0", **values}
    )
