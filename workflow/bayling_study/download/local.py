"""Takes a source from a path of the user's instead of the network.

A folder in the upstream layout is not copied: the receipt names it as ``root``
and holds the hashes of its files, so a later change is noticed. A file stands
for the file that would have been fetched (the wheel, the archive, the data
file) and must have its hash.
"""

from __future__ import annotations

import logging
from pathlib import Path

from bayling_study.download.fetchers import take_file, wanted
from bayling_study.download.manifest import SourceRow
from bayling_study.download.receipt import FileFact, describe_files, listing_hash
from bayling_study.download.request import Fetched, Request
from bayling_study.errors import StudyError

LOG = logging.getLogger(__name__)

MANY_FILES = ("hub", "sacrebleu", "babel")


def local_path(row: SourceRow, overrides: dict[str, str]) -> Path | None:
    """Returns the path that replaces a source's download, or none.

    Raises:
        StudyError: the path does not exist.
    """
    text = overrides.get(row.id) or (row.location if row.kind == "local" else None)
    if text is None:
        return None
    path = Path(text).expanduser().absolute()
    if not path.exists():
        raise StudyError(
            f"the path {text} does not exist",
            where=f"download.local.{row.id}",
            fix="correct the path in the config, or remove the line to fetch the source",
        )
    return path


def take_local_folder(root: Path, row: SourceRow) -> list[FileFact]:
    """Describes the wanted files of a local folder, which may be a part of the source.

    Raises:
        StudyError: it has none of the wanted files.
    """
    facts = [fact for fact in describe_files(root) if wanted(fact.path, row.files)]
    if not facts:
        raise StudyError(
            f"no file matches {'; '.join(row.files) or 'anything'}",
            where=root,
            fix=f"download.local.{row.id} must name a folder in the upstream layout",
        )
    if row.sha256 and row.kind in ("git", *MANY_FILES) and listing_hash(facts) != row.sha256:
        LOG.warning("%s: not the whole of the pinned source %s", root, row.id)
    return facts


def take_local_file(path: Path, request: Request) -> Fetched:
    """Takes a local file as the upstream file of the row; checks its hash if one is known.

    Raises:
        StudyError: the hash is wrong, the archive unusable, or the source has many files.
    """
    if request.row.kind in MANY_FILES:
        raise StudyError(
            f"a source of kind {request.row.kind} has many files, but {path} is one file",
            where=f"download.local.{request.row.id}",
            fix="name the folder that holds its files in the upstream layout",
        )
    return take_file(path, request)
