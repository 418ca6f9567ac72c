"""Is an input still what its job wrote?

A bit that flipped on the disk, or a file somebody edited, would go into every
number made from it. So each job compares what it is about to read with the
record of the job that wrote it, and the files of a source with its manifest.
Standard library only: the COMET environment uses this module too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.sources.fetched import MANIFEST

RUNS = "runs"


def check_input(path: Path, sha256: str) -> None:
    """Compares an input with the record of the finished job that wrote it.

    An input that no record names (a user's own file) passes; its hash is as
    ``files.sha256_path`` takes it now.

    Raises:
        StudyError: it changed since; names it and how to make it again.
    """
    whole = Path(os.path.abspath(path))
    runs = next((parent / RUNS for parent in whole.parents if (parent / RUNS).is_dir()), None)
    written = _written(runs).get(str(whole), sha256) if runs else sha256
    if written != sha256:
        raise StudyError(
            "it is not what its job wrote: damaged, or changed by hand"
            f" (SHA-256 {sha256[:12]}, written {written[:12]})",
            where=path,
            fix=f"delete it, and the next run makes it again: rm -r {path}",
        )
    folder = path if path.is_dir() else path.parent
    if path in (folder, folder / MANIFEST) and (folder / MANIFEST).is_file():
        check_source(folder)


def check_source(download: Path) -> None:
    """Compares the files of a fetched source with its manifest.

    Raises:
        StudyError: a file is absent, of another size or has other content.
    """
    manifest = read_json(download / MANIFEST)
    root = Path(manifest["root"]) if manifest.get("root") else download / "files"
    for entry in manifest.get("files", []):
        path = root / entry["path"]
        problem = damage(path, entry.get("bytes"), entry.get("sha256", ""))
        if problem:
            fix = f"delete its folder, and the next run fetches it again: rm -r {download}"
            raise StudyError(f"the source's file {problem}", where=path, fix=fix)


@lru_cache(maxsize=4)
def _written(runs: Path) -> dict[str, str]:
    """Returns the outputs of the finished jobs of a folder of records: path to hash."""
    return dict(_outputs(runs))


def _outputs(runs: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(runs.glob("*/*.json")):
        record = read_json(path)
        if record.get("state") != "finished":
            continue
        for reference in record["outputs"].values():
            yield os.path.abspath(reference["path"]), reference["sha256"]
