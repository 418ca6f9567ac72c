"""Reading and writing files so that a reader never sees half a file. Everything is written under a
temporary name in the same folder, synced and renamed. Standard library only: the COMET environment
uses this module too."""

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bayling_study.core.errors import StudyError

CHUNK_BYTES = 1 << 20  # read at a time of downloads and archives
NOT_JSON = (ValueError, RecursionError)
"""What is raised of text that is no JSON, is nested too deeply, or has a number too long."""
FOREIGN = re.compile(
    r"(^|/)(\.snakemake_timestamp|\.nfs[0-9a-f]+|\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini"
    r"|\.ipynb_checkpoints/.*)$"
)
"""What Snakemake, NFS, file managers and notebooks leave in a folder: no part of its content."""


def sync_directory(path: Path) -> None:
    """Flushes a folder's entries to disk, so that a rename in it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def landing(path: Path) -> Path:
    """Returns where ``path`` is written: of a link, its target (``StudyError`` if a device)."""
    target = Path(path).resolve() if Path(path).is_symlink() else Path(path)
    if target.exists() and not (target.is_file() or target.is_dir()):
        what = "a device, a pipe or a socket is there, which a file would replace"
        raise StudyError(what, where=path, fix="the path of a file")
    return target


def temporary_name(path: Path, suffix: str) -> Path:
    """Returns a name beside ``path`` that no other process has, nor one of another machine."""
    host = re.sub(r"[^\w-]", "", platform.node())[:24]
    return path.with_name(f".{path.name[:160]}.{host}-{secrets.token_hex(4)}.{suffix}")


@contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Opens ``path`` for writing; the file appears whole at the end or not at all, text as UTF-8
    with ``\\n`` line ends on every platform (see ``landing`` for links and devices)."""
    path = landing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path, "tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with open(temporary, mode, **text) as stream:  # type: ignore[call-overload]
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yields a scratch folder that, once it is complete, replaces ``path`` at the end (see
    ``landing``), or vanishes on an error."""
    path = landing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = temporary_name(path, "tmp")
    scratch.mkdir()
    try:
        yield scratch
        for file in scratch.rglob("*"):
            if file.is_file():
                _settle(file, scratch.stat().st_mode & 0o666)
        _swap_in(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def remove_leftovers(path: Path) -> None:
    """Removes what killed attempts to write ``path`` left; nobody else may be writing it."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        if "." not in leftover.name[len(path.name) + 2 : -len(".tmp")]:  # else of ``NAME.MORE``
            shutil.rmtree(leftover)


def _settle(file: Path, usual: int) -> None:
    """Brings a file to the disk, with the usual permissions: safetensors 0.8 writes for the owner
    alone. A link may be a file of the user's, and stays."""
    with open(file, "rb") as stream:
        os.fsync(stream.fileno())
    facts = file.lstat()
    if facts.st_nlink == 1 and facts.st_mode & usual != usual:
        file.chmod(facts.st_mode & 0o777 | usual)


def _swap_in(scratch: Path, path: Path) -> None:
    """Moves ``scratch`` to ``path``, keeping the old folder until the new one stands."""
    old = temporary_name(path, "old")
    if path.exists():
        os.replace(path, old)
    os.replace(scratch, path)
    sync_directory(path.parent)
    if old.is_file():
        old.unlink()
    shutil.rmtree(old, ignore_errors=True)


def link_file(source: Path | str, target: Path | str) -> None:
    """Makes ``target`` the same file as ``source``, or a copy where that cannot be."""
    try:
        os.link(Path(source).resolve(), target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_file(path) as stream:
        stream.write(text)


def write_json(path: Path, value: object) -> None:
    """Writes indented JSON atomically, keys in the order given, text unescaped."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON document (``StudyError`` if the file is absent, a folder, or no JSON)."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StudyError("the file does not exist", where=path) from error
    except IsADirectoryError as error:
        raise StudyError("a folder is where the file should be", where=path) from error
    except NOT_JSON as error:
        raise StudyError(f"the file is not valid JSON ({error})", where=path) from error


def write_jsonl(path: Path, rows: Iterable[object]) -> int:
    """Writes one compact JSON document a line, atomically; returns the number of rows."""
    count = 0
    with atomic_file(path) as stream:
        for row in rows:
            stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
            count += 1
    return count


def read_jsonl(path: Path) -> Iterator[Any]:
    """Yields the rows of a JSON-lines file (``StudyError`` names a line that cannot be read, or is
    empty); the last needs no line end (three BayLing-80 files have none)."""
    number = 0
    # ``json.loads`` makes a decoder for each row: 1.6 times the time.
    decode = json.JSONDecoder(parse_constant=refuse_constant).decode
    try:
        with open(path, encoding="utf-8", newline="\n") as stream:
            for line in stream:
                number += 1
                yield decode(line)
    except FileNotFoundError as error:
        raise StudyError("the file does not exist", where=path) from error
    except UnicodeDecodeError as error:
        where = f"{path}:{number + 1}"
        raise StudyError(f"not UTF-8 text ({error.reason})", where=where) from error
    except NOT_JSON as error:
        raise StudyError(f"not a JSON row ({error})", where=f"{path}:{number}") from error


def refuse_constant(name: str) -> float:
    """Refuses (``ValueError``) NaN and the infinities, which JSON does not have."""
    raise ValueError(f"{name} is not a number")


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hex digits, in constant memory."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_path(path: Path) -> str:
    """Returns the SHA-256 of a file, or of a folder's sorted relative names and contents."""
    return sha256_file(path) if path.is_file() else sha256_listing(file_hashes(path))


def file_hashes(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each file of a folder by its relative name, sorted by path."""
    files = sorted(item for item in Path(folder).rglob("*") if item.is_file())
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: sha256_file(file) for name, file in names.items() if not FOREIGN.search(name)}


def sha256_listing(hashes: Mapping[str, str]) -> str:
    """Returns the SHA-256 of a folder whose files have these hashes."""
    text = "".join(f"{name}\0{digest}\n" for name, digest in hashes.items())
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_json(value: object) -> str:
    """Returns the SHA-256 of a value's canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
