"""Unpacks zip and tar archives without trusting them. Member names come from outside. Only regular
files that match the wanted patterns are written; a wanted member whose name is absolute, climbs out
of the folder or is a link or device is an error. The total is limited, so that a small archive
cannot fill the disk."""

import errno
import hashlib
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from bayling_study.core.errors import StudyError
from bayling_study.core.files import CHUNK_BYTES
from bayling_study.core.tables import beside
from bayling_study.stages.download.receipt import FileFact, check_name

EXPANSION_LIMIT = 50  # unpacked to packed size; text archives of the studies reach about 10
ENCRYPTED = 0x1  # bit of a zip member's flags
DECRYPT: str = beside(__file__)
MINIMUM_LIMIT_BYTES = 64 << 20
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError),
    *(ValueError, LookupError, NotImplementedError, struct.error),
)
"""What the libraries raise of archives with flipped bits, found by flipping some."""


class Member(NamedTuple):
    """One entry of an archive; a regular one is no folder, link or device."""

    name: str
    regular: bool
    folder: bool
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path, out: Path, patterns: tuple[str, ...], strip_top: bool = False
) -> list[FileFact]:
    """Unpacks a zip file (wheels are) or a tar file; returns the files, sorted by path
    (``StudyError`` if the archive is damaged, unsafe or too large, or holds no member for one of
    the patterns). ``out`` appears whole or not at all, and replaces an existing folder. Kept are
    members that match a pattern (see ``matcher``), or all; ``strip_top`` drops the one top folder
    that sdists and git archives have."""
    scratch = out.with_name(f".{out.name}.unpacking")
    shutil.rmtree(scratch, ignore_errors=True)
    limit = max(MINIMUM_LIMIT_BYTES, EXPANSION_LIMIT * archive.stat().st_size)
    try:
        facts = _unpack_members(archive, scratch, patterns, strip_top, limit)
    except (*DAMAGED, OSError) as error:
        # Else the disk's; gzip and bzip2 give theirs no number, zip seeks to no place.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise StudyError(f"the archive is damaged ({error})", where=archive) from error
    else:
        shutil.rmtree(out, ignore_errors=True)
        scratch.rename(out)
        return sorted(facts)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _unpack_members(
    archive: Path, folder: Path, patterns: tuple[str, ...], strip_top: bool, limit: int
) -> list[FileFact]:
    wanted = [(pattern, matcher(pattern)) for pattern in patterns or ("**",)]
    unmatched = {pattern for pattern, _ in wanted}
    facts: dict[str, FileFact] = {}
    for member in members(archive):
        name = tidy(member.name.partition("/")[2] if strip_top else member.name)
        hits = {pattern for pattern, match in wanted if match(name)}
        if not hits or member.folder:
            continue
        refuse_unsafe(member, name, archive)
        if name in facts:
            raise StudyError(f"member {name!r} occurs twice", where=archive)
        facts[name] = _write(member, name, folder, limit, archive)
        limit -= facts[name].bytes
        unmatched -= hits
    if unmatched:
        raise StudyError(f"no member matches {sorted(unmatched)}", where=archive)
    return list(facts.values())


def tidy(name: str) -> str:
    """Returns a name as the file system takes it: ``./x`` is ``x``, ``t//x`` is ``t/x``."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def matcher(pattern: str) -> Callable[[str], bool]:
    """Returns a test for a glob on ``/``-separated paths. ``*`` and ``?`` do not cross ``/``;
    ``**`` does."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    regex = re.compile("".join(special.get(part, re.escape(part)) for part in parts), re.DOTALL)
    return lambda name: regex.fullmatch(name) is not None


def wanted(name: str, patterns: tuple[str, ...]) -> bool:
    """Tells whether a path matches one of the patterns; no patterns want everything."""
    return not patterns or any(matcher(pattern)(name) for pattern in patterns)


def members(archive: Path | IO[bytes]) -> Iterator[Member]:
    """Yields the entries of a zip or tar archive in stored order; an open one is a zip."""
    if not isinstance(archive, Path) or zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as source:
            for info in source.infolist():
                if info.flag_bits & ENCRYPTED:
                    what = f"member {info.filename!r} is encrypted"
                    raise StudyError(what, where=source.filename, fix=DECRYPT)
                kind = stat.S_IFMT(info.external_attr >> 16)  # 0 of other systems than Unix
                regular = not info.is_dir() and kind in (0, stat.S_IFREG)
                yield Member(info.filename, regular, info.is_dir(), partial(source.open, info))
    else:
        with tarfile.open(archive, "r:*") as tar:
            for entry in tar:
                # Only regular members are opened, and each of them has a stream.
                content = partial(cast(Callable[..., IO[bytes]], tar.extractfile), entry)
                yield Member(entry.name, entry.isreg(), entry.isdir(), content)


def refuse_unsafe(member: Member, name: str, archive: object) -> None:
    """Refuses a member that leads out of the folder or is no file (``StudyError``)."""
    path = PurePosixPath(member.name)
    # A backslash or drive letter is harmless here but not on every system.
    odd = "\\" in name or "\0" in name or re.match(r"[A-Za-z]:", name)
    if path.is_absolute() or ".." in path.parts or odd or not name:
        raise StudyError(f"member {member.name!r} points outside the folder", where=archive)
    if not member.regular:
        raise StudyError(f"member {member.name!r} is a link or device", where=archive)
    check_name(name, archive)


def _write(member: Member, name: str, folder: Path, limit: int, archive: Path) -> FileFact:
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(exist_ok=False)
    except (FileExistsError, NotADirectoryError) as error:
        what = f"another member is a folder or file where {name!r} would be"
        raise StudyError(what, where=archive) from error
    digest, count = hashlib.sha256(), 0
    with member.open() as source, open(target, "wb") as sink:
        while chunk := source.read(CHUNK_BYTES):
            count += len(chunk)
            if count > limit:
                what = f"it unpacks to more than {EXPANSION_LIMIT} times its size"
                raise StudyError(what, where=archive)
            digest.update(chunk)
            sink.write(chunk)
    return FileFact(name, digest.hexdigest(), count)
