"""One fetcher a kind of source; ``FETCHERS`` names them. A fetcher brings the wanted files into
``request.files`` and says what they are. It may be killed at any time and is then simply called
again."""

import os
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from itertools import product
from pathlib import Path

from bayling_study.core.disk import check_space
from bayling_study.core.errors import StudyError
from bayling_study.core.files import link_file, sha256_file
from bayling_study.stages.download.archives import unpack
from bayling_study.stages.download.clients import deb_contents, run, run_client
from bayling_study.stages.download.hub import fetch_hub
from bayling_study.stages.download.lock import content_differs
from bayling_study.stages.download.package_index import fetch_package
from bayling_study.stages.download.receipt import FileFact, describe_files, listing_hash
from bayling_study.stages.download.request import DownloadRequest, Fetched
from bayling_study.stages.download.transfer import WrongHashError, fetch, file_name

ARCHIVE_SUFFIXES = (".zip", ".whl", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".deb")
TOP_FOLDER_KINDS = ("git", "pip-sdist", "npm", "apt")
"""Kinds whose archives have one top folder, which is no part of a file's path (``./`` in
Debian's)."""
SACREBLEU_SECONDS = 1800
UNPACKED_FACTOR = 4
"""Disk that an archive and its content need, as a multiple of the archive, at the table's
largest ratio."""
NO_SPACE = (
    "free some space, or set study.resources to a larger disk; what is fetched already is not "
    "fetched again"
)


def fetch_url(request: DownloadRequest) -> Fetched:
    """Kind ``url``: a file, or members of an archive."""
    url = request.mirrored(request.row.location)
    target = request.raw / file_name(url)
    try:
        fetch(url, target, request.sha256, request.row.bytes, request.policy)
    except WrongHashError as error:
        what = f"{error.what} by {{origin}}"
        raise content_differs(what, url, request.row, request.out) from error
    return take_file(target, request)


def is_archive(name: str) -> bool:
    """Tells by its name whether a file is unpacked."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def fetch_git(request: DownloadRequest) -> Fetched:
    """Kind ``git``: files of one commit, through the host's tar archive of it. The archive's own
    bytes may change when the host changes its compressor, so the hash that counts is that of the
    files."""
    location = request.mirrored(request.row.location).removesuffix(".git")
    target = request.raw / f"{request.revision}.tar.gz"
    fetch(f"{location}/archive/{request.revision}.tar.gz", target, policy=request.policy)
    return take_file(target, request)


def fetch_sacrebleu(request: DownloadRequest) -> Fetched:
    """Kind ``sacrebleu``: a test set's sides as ``PAIR.src`` and ``PAIR.ref``, a segment a line
    (``StudyError`` if sacreBLEU does not know the set or cannot download it). sacreBLEU downloads
    and checks the set itself, or finds it in the folder that the variable SACREBLEU names; its
    command line prints the sides, so nothing of that layout is relied on."""
    row = request.row
    request.files.mkdir(parents=True, exist_ok=True)
    cache = os.environ.get("SACREBLEU", str(request.raw.absolute()))  # one of the lab's counts
    environment = {"SACREBLEU": cache, "PYTHONUTF8": "1"}
    for pair, side in product(row.files, ("src", "ref")):
        command = [sys.executable, "-m", "sacrebleu", "-t", row.location, "-l", pair]
        result = run([*command, "--echo", side], "sacreBLEU", SACREBLEU_SECONDS, environment)
        if result.returncode != 0 or not result.stdout:
            reason = result.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            what = f"sacreBLEU cannot give {pair} ({' '.join(reason)})"
            fix = f"set download.local.{row.id} to a folder with {pair}.src and {pair}.ref"
            raise StudyError(what, where=row.location, fix=fix)
        (request.files / f"{pair}.{side}").write_bytes(result.stdout)
    return many_files(request)


def take_file(path: Path, request: DownloadRequest) -> Fetched:
    """Unpacks a fetched archive, or places a fetched file, and checks the hash (``StudyError`` if
    the content is not what was pinned or locked, or the disk is too small). A fetched archive that
    is no good is removed, so that the next call fetches it again."""
    fetched = path.is_relative_to(request.raw)
    packed = is_archive(path.name)
    if packed and not (fetched and request.row.bytes):  # else it is known before the transfer
        request.out.mkdir(parents=True, exist_ok=True)
        needed = (UNPACKED_FACTOR - 1) * path.stat().st_size
        check_space(request.out, needed, request.row.id, NO_SPACE)
    kind, sha256 = request.row.kind, sha256_file(path)
    try:
        if kind != "git":
            insist(sha256, request, path)
        if packed:
            archive = deb_contents(path) if path.suffix == ".deb" else path
            strip = kind in TOP_FOLDER_KINDS
            facts = unpack(archive, request.files, request.row.files, strip_top=strip)
        else:
            request.files.mkdir(parents=True, exist_ok=True)
            target = request.files / path.name
            target.unlink(missing_ok=True)
            link_file(path, target)
            facts = [FileFact(path.name, sha256, target.stat().st_size)]
        if kind == "git":
            sha256 = listing_hash(facts)
            insist(sha256, request, path)
    except StudyError:
        if fetched:
            path.unlink(missing_ok=True)
        raise
    return Fetched(facts, sha256, path.stat().st_size, request.revision)


def many_files(request: DownloadRequest, revision: str = "", location: str = "") -> Fetched:
    """Describes ``request.files`` for a kind of many files and checks their listing (``StudyError``
    if the files are not those that were pinned or locked)."""
    facts = describe_files(request.files)
    sha256 = listing_hash(facts)
    insist(sha256, request, request.files)
    several = location if len(request.row.places) > 1 else ""
    return Fetched(facts, sha256, sum(fact.bytes for fact in facts), revision, several)


def insist(actual: str, request: DownloadRequest, where: Path) -> None:
    """Compares a hash with the one that the table or the lock wants, if any (``StudyError`` if they
    differ)."""
    if request.sha256 and actual != request.sha256:
        what = f"the content's sha256 is {actual}, but {{origin}} says {request.sha256}"
        raise content_differs(what, where, request.row, request.out)


def fetch_from_apt(request: DownloadRequest) -> Fetched:
    """Kind ``apt``: files of a Debian package, or of several of one version, ``;`` between them.
    What is hashed is the package; of several, the list of the files taken."""
    names = [f"{name}={request.revision}" for name in request.row.places]
    packages = run_client(request, ["apt-get", "download", *names], "*.deb", len(names))
    if len(packages) == 1:
        return take_file(packages[0], request)
    for package in packages:
        part = request.raw / "unpacked"
        unpack(deb_contents(package), part, request.row.files, strip_top=True)
        shutil.copytree(part, request.files, dirs_exist_ok=True)
    return many_files(request, request.revision)


def fetch_from_npm(request: DownloadRequest) -> Fetched:
    """Kind ``npm``: files of a package."""
    name = f"{request.row.location}@{request.revision}"
    command = ["npm", "pack", "--ignore-scripts", "--silent", name]
    return take_file(run_client(request, command, "*.tgz", 1)[0], request)


def fetch_from_babel(request: DownloadRequest) -> Fetched:
    """Kind ``babel``: names of CLDR, see ``download/cldr.py``."""
    # Imported late: it reads all of CLDR's locales.
    import_module("bayling_study.stages.download.cldr").write_names(request)
    return many_files(request, request.revision)


FETCHERS: dict[str, Callable[[DownloadRequest], Fetched]] = {
    **dict.fromkeys(
        ("pip-wheel", "pip-sdist"),
        lambda request: take_file(fetch_package(request.row, request.raw, request.policy), request),
    ),
    "url": fetch_url,
    "git": fetch_git,
    "hub": lambda request: many_files(request, *fetch_hub(request)),
    "sacrebleu": fetch_sacrebleu,
    "apt": fetch_from_apt,
    "npm": fetch_from_npm,
    "babel": fetch_from_babel,
}
