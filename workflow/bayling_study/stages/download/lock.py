"""Locks: what the first download of an unpinned source was, verified ever after.

Some sources cannot be pinned in the table, because their hash is not known without a network. Their
first download writes ``sources.lock/ID-HASH.tsv`` in the resources folder with revision, hash and
size, and every later download, also after the files were removed, must give the same. One file a
source, because download jobs run side by side and must not write into a shared one.

A file of the user's that stands for a source's upstream file locks it too; a further
column ``origin`` then says so.

Beside it ``ID-HASH.files.json`` lists the files of every verified download, of
pinned sources too: a local folder that replaces a part of the source is held to it.
"""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json, write_text
from bayling_study.core.tables import read_table
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.receipt import FileFact

COLUMNS = ("id", "revision", "sha256", "bytes")
LOCAL_COPY = "local copy"


@dataclass(frozen=True)
class Lock:
    """What a source was when it was first fetched. ``revision`` is the commit or hub revision that
    was resolved, or empty; ``sha256`` and ``bytes`` are those of the table's columns; ``origin`` is
    ``local copy``, or nothing for a download."""

    id: str
    revision: str
    sha256: str
    bytes: int
    origin: str = ""


def lock_path(out: Path) -> Path:
    """Returns the lock file of the download folder ``RESOURCES/download/ID-HASH``."""
    return out.absolute().parent.parent / "sources.lock" / f"{out.name}.tsv"


def read_lock(path: Path) -> Lock | None:
    """Reads a lock; none if the source was never fetched (``StudyError`` if the file is not a
    lock)."""
    if not path.exists():
        return None
    more = ("origin",) if LOCAL_COPY in path.read_text(encoding="utf-8", errors="replace") else ()
    rows = [cells for _, cells in read_table(path, (*COLUMNS, *more))]
    if len(rows) != 1 or not rows[0]["bytes"].isdigit():
        fix = "restore it, or remove it to lock the source anew"
        raise StudyError("not a lock file", where=path, fix=fix)
    row = rows[0]
    return Lock(**row | {"bytes": int(row["bytes"])})  # type: ignore[arg-type]


def write_lock(path: Path, lock: Lock) -> None:
    """Writes a lock atomically."""
    values = {key: str(value) for key, value in asdict(lock).items() if value or key in COLUMNS}
    write_text(path, "\t".join(values) + "\n" + "\t".join(values.values()) + "\n")


def content_differs(what: str, where: Path | str, row: SourceRow, out: Path) -> StudyError:
    """Returns the error of content that is not what the table or a source's lock says. Of ``what``,
    ``{origin}`` becomes that which the content was compared with. The fix says what to do with a
    copy of the user's, a download, and content that is another on purpose."""
    copy = isinstance(where, Path) and not where.is_relative_to(out)
    advice = "the upstream changed or was tampered with; do not use it unless you know why"
    if copy:
        advice = f"name an unchanged copy under download.local.{row.id}, or remove that line to "
        advice += "fetch the source"
    file = lock_path(out)
    lock = None if row.sha256 else read_lock(file)
    if lock is None:
        fix = f"{advice};\nother content needs a row of its own in config/sources.tsv"
        return StudyError(what.format(origin="config/sources.tsv"), where=where, fix=fix)
    if lock.origin and not copy:
        advice = "the local copy that came first was another one"
    accept = shlex.join(["rm", "-f", str(file), str(listing_path(out))])
    fix = f"{advice};\nto take this content from now on: {accept}"
    origin = f"the lock of the first {lock.origin or 'download'}"
    return StudyError(what.format(origin=origin), where=where, fix=fix)


def listing_path(out: Path) -> Path:
    """Returns where the files of a source's verified download are listed."""
    return lock_path(out).with_suffix(".files.json")


def write_listing(path: Path, files: list[FileFact]) -> None:
    """Writes the list of a verified download's files atomically."""
    write_json(path, [asdict(fact) for fact in sorted(files)])


def read_listing(path: Path) -> list[FileFact]:
    """Reads the list of a verified download's files; empty if there was none (``StudyError`` if the
    file is not such a list)."""
    if not path.exists():
        return []
    try:
        return [FileFact(**item) for item in read_json(path)]
    except TypeError as error:
        raise StudyError("not a list of files", where=path, fix="restore it") from error
