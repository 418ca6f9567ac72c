"""What a download leaves as proof: ``manifest.json`` with every file's hash. It is written last, so
a folder with a receipt is a complete download. A receipt is believed only after the files were
hashed again."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_file, sha256_json, write_json
from bayling_study.shared.sources.fetched import MANIFEST
from bayling_study.shared.sources.table import SourceRow, row_hash

IGNORED_FOLDERS = {".cache", ".git", "__pycache__"}
"""Folders of other programs' bookkeeping, never part of a source."""


@dataclass(frozen=True, order=True)
class FileFact:
    """One file of a source: path relative to its root with ``/``, hash and size."""

    path: str
    sha256: str
    bytes: int


def check_name(name: str, where: object) -> None:
    """Refuses a file's name that no receipt can hold (``StudyError``)."""
    if name.encode(errors="replace").decode() != name:
        fix = "rename the file in a folder of your own, and name that under download.local"
        raise StudyError(f"the name {name!r} of a file is not UTF-8", where=where, fix=fix)


def listing_hash(files: Iterable[FileFact]) -> str:
    """Returns the SHA-256 of the sorted paths and hashes of a source's files."""
    return sha256_json([[fact.path, fact.sha256] for fact in sorted(files)])


def describe_files(root: Path) -> list[FileFact]:
    """Hashes all regular files under ``root``, sorted by path (``StudyError`` if a link leads out
    of the folder or to nothing)."""
    facts = ((name, sha256_file(path), path.stat().st_size) for name, path in files_below(root))
    return sorted(FileFact(*fact) for fact in facts)


def files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Yields the regular files that ``describe_files`` hashes, each behind its name."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in IGNORED_FOLDERS)
        for name in names:
            path = Path(folder, name)
            if not path.is_file():
                raise StudyError("a link leads to nothing", where=path)
            relative = path.relative_to(root).as_posix()
            check_name(relative, root)
            yield relative, path


def write_receipt(out: Path, row: SourceRow, files: list[FileFact], pin: str, **extra: Any) -> None:
    """Writes ``out/manifest.json``; ``extra`` are further facts, such as ``revision``. ``pin`` is
    ``table`` when the hash was known beforehand, ``lock`` when it was locked at the first download,
    ``local`` for a folder of the user's, ``rehearsal`` for first rows."""
    value = {
        "source": row.model_dump(mode="json"),
        "pin": pin,
        "listing": listing_hash(files),
        **{key: item for key, item in extra.items() if item},
        "files": [asdict(fact) for fact in files],
    }
    write_json(out / MANIFEST, value)


def intact(out: Path, row: SourceRow, root: Path | None) -> bool:
    """Tells whether ``out`` holds a complete, undamaged download of this very row. ``root`` is the
    local folder that replaces the download now, if there is one."""
    path = out / MANIFEST
    if not path.exists():
        return False
    receipt = read_json(path)
    if receipt.get("root") != (None if root is None else str(root)):
        return False
    columns = SourceRow.model_fields.keys() & receipt["source"]  # older ones have others
    known = SourceRow.model_validate({key: receipt["source"][key] for key in columns})
    if row_hash(known) != row_hash(row):
        return False
    base, facts = root or out / "files", receipt["files"]
    return not any(damage(base / fact["path"], fact["bytes"], fact["sha256"]) for fact in facts)
