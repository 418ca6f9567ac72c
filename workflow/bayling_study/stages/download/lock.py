"""Locks: what the first download of an unpinned source was, verified ever after.

Some sources cannot be pinned in the table, because their hash is not known
without a network. Their first download writes ``sources.lock/ID-HASH.tsv`` in the
resources folder with revision, hash and size, and every later download, also
after the files were removed, must give the same. One file a source, because
download jobs run side by side and must not write into a shared one.

Beside it ``ID-HASH.files.json`` lists the files of every verified download, of
pinned sources too: a local folder that replaces a part of the source is held to it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json, write_text
from bayling_study.core.tables import read_table
from bayling_study.stages.download.receipt import FileFact

COLUMNS = ("id", "revision", "sha256", "bytes")


@dataclass(frozen=True)
class Lock:
    """What a source was when it was first fetched.

    Attributes:
        id: the source.
        revision: the commit or hub revision that was resolved; may be empty.
        sha256: hash in the sense of the table's column.
        bytes: size of the transfer, or of all files for kinds of many files.
    """

    id: str
    revision: str
    sha256: str
    bytes: int


def lock_path(out: Path) -> Path:
    """Returns the lock file of the download folder ``RESOURCES/download/ID-HASH``."""
    return out.absolute().parent.parent / "sources.lock" / f"{out.name}.tsv"


def read_lock(path: Path) -> Lock | None:
    """Reads a lock; none if the source was never fetched.

    Raises:
        StudyError: the file is not a lock.
    """
    if not path.exists():
        return None
    rows = [cells for _, cells in read_table(path, COLUMNS)]
    if len(rows) != 1 or not rows[0]["bytes"].isdigit():
        raise StudyError(
            "not a lock file", where=path, fix="restore it, or remove it to lock the source anew"
        )
    row = rows[0]
    return Lock(row["id"], row["revision"], row["sha256"], int(row["bytes"]))


def write_lock(path: Path, lock: Lock) -> None:
    """Writes a lock atomically."""
    values = asdict(lock)
    write_text(path, "\t".join(COLUMNS) + "\n" + "\t".join(str(values[c]) for c in COLUMNS) + "\n")


def listing_path(out: Path) -> Path:
    """Returns where the files of a source's verified download are listed."""
    return lock_path(out).with_suffix(".files.json")


def write_listing(path: Path, files: list[FileFact]) -> None:
    """Writes the list of a verified download's files atomically."""
    write_json(path, [asdict(fact) for fact in sorted(files)])


def read_listing(path: Path) -> list[FileFact]:
    """Reads the list of a verified download's files; empty if there was none.

    Raises:
        StudyError: the file is not such a list.
    """
    if not path.exists():
        return []
    try:
        return [FileFact(**item) for item in read_json(path)]
    except TypeError as error:
        raise StudyError("not a list of files", where=path, fix="restore it") from error
