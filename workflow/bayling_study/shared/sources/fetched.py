"""Where the files of a fetched source are. The download stage leaves a folder with
``manifest.json`` and, in ``files/``, the upstream files. A source that the config replaces by a
local folder is not copied: its manifest names that folder under the key ``root``."""

from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json

MANIFEST = "manifest.json"


def files_root(download: Path) -> Path:
    """Returns the folder of a source's files in their upstream layout (``StudyError`` if gone)."""
    manifest = read_json(download / MANIFEST)
    root = Path(manifest["root"]) if manifest.get("root") else download / "files"
    if not root.is_dir():
        fix = "correct download.local in the config, or fetch the source again"
        raise StudyError("the folder of the source's files does not exist", where=root, fix=fix)
    return root


def checkpoint_of(files: Path) -> Path | None:
    """Returns the uppermost folder of a source that holds a checkpoint, if there is one."""
    configs = sorted(files.rglob("config.json"), key=lambda path: len(path.parts))
    return configs[0].parent if configs else None


def read_segments(path: Path) -> list[str]:
    r"""Reads a file with one segment per line.

    Only ``\n`` ends a line: released translations hold other characters that Python's
    ``splitlines`` would split at (U+2028, U+0085, form feeds, ``\r``). The last line need not be
    ended; nothing else is stripped. An absent, empty or non-UTF-8 file is refused (``StudyError``).
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise StudyError("the file does not exist", where=path) from error
    if not content:
        raise StudyError("the file is empty", where=path)
    segments = []
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        if b"\0" in line:
            raise StudyError("not UTF-8 text (a zero byte)", where=f"{path}:{number}")
        try:
            segments.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            what, fix = f"not UTF-8 text ({error.reason})", "convert the file to UTF-8"
            raise StudyError(what, where=f"{path}:{number}", fix=fix) from error
    return segments


def own_segments(path: Path) -> list[str]:
    """Reads one's own file as ``read_segments`` does, without the marks of Windows' programs. They
    begin a file with a byte order mark and end lines with ``\\r\\n``."""
    lines = [text.removesuffix("\r") for text in read_segments(path)]
    return [lines[0].removeprefix("\ufeff"), *lines[1:]]
