"""Compares an unpacked bundle with its list of hashes: damaged, missing and extra files.

    python3 -SPB -m bayling_study.commands.bundle.verify .     # what `make verify` runs

A file that is not in the list might be imported by every job, or be read as a study. Standard
library only: the machine that a bundle arrives on has no environment yet. With ``-SPB`` nothing
else of the folder is imported, and no bytecode is left in it.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from bayling_study.core import cli
from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import FOREIGN, read_json

LISTING = "bundle.json"
GROWS = re.compile(
    r"(\.venv|\.snakemake|results|wheels)(/|$)|resources(/(?!download/)|$)|resources/download/[^/]*$"
)
"""What environments and studies add to; of the resources, the folders of sources stay the same."""


def read_listing(folder: Path) -> dict[str, Any]:
    """Returns what an unpacked bundle's list says (``StudyError`` if the folder is no bundle)."""
    about: dict[str, Any] = read_json(folder / LISTING)
    with suppress(TypeError, LookupError, AttributeError):
        files = {name: (facts["bytes"], facts["sha256"]) for name, facts in about["files"].items()}
        if files and about["study"]:
            return about
    fix = "unpack the bundle again, or carry it over again"
    raise StudyError("not the list of a bundle's files", where=folder / LISTING, fix=fix)


def findings(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns how a folder differs from a bundle's files: a line for each path, sorted."""
    found = {name: fault(folder / name, facts) for name, facts in files.items()}
    found |= extras(folder, files)
    return [f"{name} {what}" for name, what in sorted(found.items()) if what]


def fault(path: Path, facts: Mapping[str, Any]) -> str:
    """Returns how a file differs from what the list says of it, in words; nothing if not."""
    if path.is_symlink() or path.is_dir():
        return f"is a {'link' if path.is_symlink() else 'folder'} in place of a file"
    if path.is_file() and not os.access(path, os.R_OK):
        return "may not be read"
    if path.is_file() and path.stat().st_mode & 0o002:
        return "may be changed by everybody"
    return damage(path, facts["bytes"], facts["sha256"])


def extras(folder: Path, files: Mapping[str, Any]) -> dict[str, str]:
    """Returns what lies in a bundle's folders without being listed, and what each is; of a folder
    that is not the bundle's, only itself."""
    own = {parent.as_posix() for name in files for parent in PurePosixPath(name).parents}
    found: dict[str, str] = {}
    for place, folders, names in os.walk(folder, followlinks=True):
        here = Path(place).relative_to(folder)
        for path in (here / name for name in [*folders, *names]):
            name, link = path.as_posix(), (folder / path).is_symlink()
            listed = name in files or name == LISTING or (name in own and not link)
            if not (listed or GROWS.match(name) or FOREIGN.search(name)):
                extra = "an extra link" if link else "extra: a job might import or run it"
                study = name.startswith("config/studies/")
                found[name] = f"is {'an extra study' if study else extra}"
        inside = own - found.keys()
        folders[:] = [name for name in folders if (here / name).as_posix() in inside]
    return found


def main() -> int:
    """Verifies a folder and says what is wrong, or what comes next."""
    place = cli.option("unpacked archive", positional=True, type=Path, nargs="?", default=Path())
    folder = cli.command(__name__, folder=place).parse_args().folder
    about = read_listing(folder)
    wrong = findings(folder, about["files"])
    for line in wrong:
        print(os.fsencode(line).decode(errors="backslashreplace"))
    if wrong:
        print(f"error: {len(wrong)} paths differ from {folder / LISTING}")
        print("  fix: remove what is extra; unpack what is damaged or missing again")
        return 1
    print(f"{len(about['files'])} files are whole; next: make study STUDY={about['study']}")
    return 0


if __name__ == "__main__":
    cli.run_program(main)
