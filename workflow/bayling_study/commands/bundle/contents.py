"""What a bundle holds: the repository, the sources of one study, and its configuration. The
configuration is written out whole, for it may be laid over several files of the user's, and without
the paths of this machine: on the other one the sources lie in ``resources`` beside the code."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import yaml

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.dag.layout import Layout
from bayling_study.shared.sources.fetched import MANIFEST, files_root

REPOSITORY = (
    *("Snakefile", "Makefile", "README.md", "LICENSE", "pyproject.toml"),
    *("config", "envs", "workflow", "tests"),
)
"""What is packed where git cannot tell which files belong to the repository."""
KNOWN = ("--cached", "--others", "--exclude-standard")
"""Also files that are new and not ignored: a recipe of the user's, say."""
TABLE = "config/sources.tsv"

Entry = tuple[str, Path | bytes]
"""Path in the bundle, and the file that holds the content, or the content."""


def entries(layout: Layout, root: Path) -> Iterator[Entry]:
    """Yields everything that the study of a layout needs, from a repository and its sources
    (``StudyError`` if one was not fetched, or its files are gone)."""
    yield from (dict(repository_files(root)) | dict(_configuration(layout))).items()
    used = layout.used_sources()
    if missing := [source for source in used if not layout.manifest(source).is_file()]:
        fix = f"make fetch STUDY={layout.config.study.name}"
        raise StudyError(f"not fetched yet: {', '.join(missing)}", where=layout.resources, fix=fix)
    for source in used:
        yield from _source(layout, source)
    for record in layout.shared_records():
        if record.is_file():
            yield f"resources/runs/{record.parent.name}/{record.name}", record


def repository_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yields the repository's files: what git does not ignore, or all where it knows of none."""
    command = ["git", "-C", str(root), "ls-files", "-z", *KNOWN, "--", *REPOSITORY]
    listed: list[str] = []
    with suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(command, capture_output=True, check=True)
        listed = done.stdout.decode().split("\0")
    if not any(listed):  # a repository above this folder may ignore it
        listed = [p.relative_to(root).as_posix() for p in sorted(_walk(root))]
    for name in listed:
        if name and (root / name).is_file():
            yield name, root / name


def _walk(root: Path) -> Iterator[Path]:
    for place in map(root.joinpath, REPOSITORY):
        files = [place] if place.is_file() else place.rglob("[!.]*")
        yield from (file for file in files if file.parent.name != "__pycache__")


def _configuration(layout: Layout) -> Iterator[tuple[str, bytes]]:
    """Yields the study's configuration and its table of sources, at the places ``make`` uses."""
    config, name = layout.config, layout.config.study.name
    of_here = {"study": {"results", "resources"}, "download": {"local", "manifest"}}
    values = config.model_dump(mode="json", exclude_unset=True, exclude=of_here)
    values.setdefault("study", {})["name"] = name
    values.setdefault("download", {})
    path = "config/config.yaml" if name == "embedded" else f"config/studies/{name}.yaml"
    text = "# Written by `make bundle`: the whole configuration of the study.\n"
    text += yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    yield path, text.encode()
    yield TABLE, Path(config.download.manifest).read_bytes()


def _source(layout: Layout, source: str) -> Iterator[Entry]:
    """Yields a source's files and its receipt, and its lock if it has one."""
    folder = layout.download(source)
    target = f"resources/download/{folder.name}"
    receipt = read_json(folder / MANIFEST)
    root = files_root(folder)
    for item in receipt["files"]:
        yield f"{target}/files/{item['path']}", root / item["path"]
    if receipt.pop("root", None) is None:
        yield f"{target}/{MANIFEST}", folder / MANIFEST
    else:  # a folder of the user's, which the other machine has not
        yield f"{target}/{MANIFEST}", json.dumps(receipt, ensure_ascii=False, indent=1).encode()
    for suffix in ("tsv", "files.json"):
        lock = layout.resources / "sources.lock" / f"{folder.name}.{suffix}"
        if lock.is_file():
            yield f"resources/sources.lock/{lock.name}", lock
