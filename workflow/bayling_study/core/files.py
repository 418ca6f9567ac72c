"""Reading and writing files so that a reader never sees half a file.

Everything is written under a temporary name in the same folder, synced to disk
and renamed. Standard library only: the COMET environment uses this module too.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bayling_study.core.errors import StudyError

CHUNK_BYTES = 1 << 20
FOREIGN = frozenset({".snakemake_timestamp"})
"""Files that others leave in a finished folder; they are no part of its content."""


def sync_directory(path: Path) -> None:
    """Flushes a folder's entries to disk, so that a rename in it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Opens ``path`` for writing; the file appears whole at the end or not at all.

    Text is UTF-8 with ``\\n`` line ends on every platform.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
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
    """Yields a scratch folder that becomes ``path`` at the end or vanishes on an error.

    An existing ``path`` is replaced only once the new folder is complete.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        yield scratch
        for file in scratch.rglob("*"):
            if file.is_file():
                with open(file, "rb") as stream:
                    os.fsync(stream.fileno())
        _swap_in(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _swap_in(scratch: Path, path: Path) -> None:
    """Moves ``scratch`` to ``path``, keeping the old folder until the new one stands."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        os.replace(path, old)
    os.replace(scratch, path)
    sync_directory(path.parent)
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
    """Reads one JSON document.

    Raises:
        StudyError: the file is absent, is not UTF-8 or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StudyError("the file does not exist", where=path) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
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
    """Yields the rows of a JSON-lines file, one at a time.

    A missing newline at the end of the file is accepted (three released
    BayLing-80 files have none); an empty line is not.

    Raises:
        StudyError: names the file and the line that cannot be read.
    """
    number = 0
    try:
        with open(path, encoding="utf-8", newline="\n") as stream:
            for line in stream:
                number += 1
                yield json.loads(line, parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise StudyError("the file does not exist", where=path) from error
    except UnicodeDecodeError as error:
        raise StudyError(
            f"not UTF-8 text ({error.reason})", where=f"{path}:{number + 1}"
        ) from error
    except ValueError as error:
        raise StudyError(f"not a JSON row ({error})", where=f"{path}:{number}") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as 64 hex digits, in constant memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_path(path: Path) -> str:
    """Returns the SHA-256 of a file, or of a folder's sorted relative names and contents."""
    path = Path(path)
    if path.is_file():
        return sha256_file(path)
    digest = hashlib.sha256()
    files = (item for item in path.rglob("*") if item.is_file() and item.name not in FOREIGN)
    for file in sorted(files):
        name = file.relative_to(path).as_posix()
        digest.update(f"{name}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def sha256_json(value: object) -> str:
    """Returns the SHA-256 of a value's canonical JSON (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
