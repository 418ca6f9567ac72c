"""Takes a source from a path of the user's instead of the network.

A folder in the upstream layout is not copied: the receipt names it as ``root`` and holds the hashes
of its files, so a later change is noticed. It may hold a part of the source; what is known of the
source's content it must agree with, and the receipt says under ``checked`` how much that was. A
file stands for the file that would have been fetched (the wheel, the archive, the data file) and
must have its hash.
"""

from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download import lock as locks
from bayling_study.stages.download.archives import wanted
from bayling_study.stages.download.fetchers import is_archive, take_file
from bayling_study.stages.download.receipt import FileFact, describe_files, listing_hash
from bayling_study.stages.download.request import DownloadRequest, Fetched
from bayling_study.stages.download.transfer import file_name

MANY_FILES = ("hub", "sacrebleu", "babel")
"""Kinds of many files without an archive; a lock holds the size of all of them."""
LISTED = ("git", "local", *MANY_FILES)  # kinds whose folder has the hash of its listing


def local_path(row: SourceRow, overrides: dict[str, str]) -> Path | None:
    """Returns the path that replaces a source's download, or none (``StudyError`` if the path does
    not exist)."""
    text = overrides.get(row.id) or (row.location if row.kind == "local" else None)
    path = Path(text).expanduser().absolute() if text is not None else None
    if path and not path.exists():
        fix = "correct the path in the config, or remove the line to fetch the source"
        where = f"download.local.{row.id}" if row.id in overrides else f"sources.{row.id}.location"
        raise StudyError(f"the path {text} does not exist", where=where, fix=fix)
    return path


def take_local_folder(root: Path, row: SourceRow, out: Path) -> tuple[list[FileFact], str]:
    """Describes the wanted files of a local folder, compared with all that is known of the source:
    the table, and the lock and list of files of the earlier downloads to ``out`` (``StudyError`` if
    it has none of the wanted files, one differs, or it cannot be a part of the source). Also
    returns, for the receipt, ``local, checked``, ``local, N of M files checked`` or ``local, not
    checked`` where no hash of the content is known."""
    facts = [fact for fact in describe_files(root) if wanted(fact.path, row.patterns)]
    if not facts:
        what = f"no file matches {'; '.join(row.patterns) or 'anything'}"
        fix = f"download.local.{row.id} must name a folder in the upstream layout"
        fix = f"correct sources.{row.id}.files" if row.kind == "local" else fix
        raise StudyError(what, where=root, fix=fix)
    lock, known = locks.read_lock(locks.lock_path(out)), locks.read_listing(locks.listing_path(out))
    expected = row.sha256 or (lock.sha256 if lock else "")
    if expected and row.kind in LISTED and listing_hash(facts) == expected:
        return facts, "local, checked"
    hashes = {fact.path: fact.sha256 for fact in known}
    if expected and row.kind == "url" and not is_archive(file_name(row.location)):
        hashes[file_name(row.location)] = expected
    for fact in facts:
        if hashes.get(fact.path, fact.sha256) != fact.sha256:
            what = f"sha256 is {fact.sha256}, that of the source {hashes[fact.path]} ({{origin}})"
            raise locks.content_differs(what, root / fact.path, row, out)
    held = sum(fact.bytes for fact in facts)
    summed = lock is not None and row.kind in MANY_FILES and held >= lock.bytes
    if (expected and row.kind == "local") or (summed and not known):
        what = f"its files are neither those with the hash {expected} nor a part ({{origin}})"
        raise locks.content_differs(what, root, row, out)
    agreed = sum(fact.path in hashes for fact in facts)
    some = f"local, {agreed} of {len(facts)} files checked" if agreed else "local, not checked"
    return facts, "local, checked" if agreed == len(facts) else some


def take_local_file(path: Path, request: DownloadRequest) -> Fetched:
    """Takes a local file as the upstream file of the row; checks its hash if one is known
    (``StudyError`` if the hash is wrong, the archive unusable, or the source has many files)."""
    if request.row.kind in MANY_FILES:
        what = f"a source of kind {request.row.kind} has many files, but {path} is one file"
        fix = "name the folder that holds its files in the upstream layout"
        raise StudyError(what, where=f"download.local.{request.row.id}", fix=fix)
    return take_file(path, request)
