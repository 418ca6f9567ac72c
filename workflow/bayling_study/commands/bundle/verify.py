"""Compares an unpacked bundle with its list of hashes.

    python3 -m bayling_study.commands.bundle.verify .     # what `make verify` runs

Standard library only: the machine that a bundle arrives on has no environment yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bayling_study.core import cli
from bayling_study.core.disk import damage
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json

LISTING = "bundle.json"


def verify(folder: Path) -> dict[str, Any]:
    """Compares an unpacked bundle with its list; returns what the list says of it.

    Raises:
        StudyError: the folder is no bundle, or files are missing or damaged.
    """
    about: dict[str, Any] = read_json(folder / LISTING)
    try:
        files = {name: (facts["bytes"], facts["sha256"]) for name, facts in about["files"].items()}
        whole = bool(files and about["study"])
    except (TypeError, LookupError, AttributeError):
        whole = False
    if not whole:
        fix = "unpack the bundle again, or carry it over again"
        raise StudyError("not the list of a bundle's files", where=folder / LISTING, fix=fix)
    wrong = [name for name, facts in files.items() if damage(folder / name, *facts)]
    if wrong:
        raise StudyError(
            f"{len(wrong)} of {len(about['files'])} files are missing or damaged, first {wrong[0]}",
            where=folder,
            fix="unpack the bundle again, or carry it over again",
        )
    return about


def main() -> None:
    """Verifies a folder and says what comes next."""
    folder = cli.option("unpacked archive", positional=True, type=Path, nargs="?", default=Path())
    about = verify(cli.command(__name__, folder=folder).parse_args().folder)
    print(f"{len(about['files'])} files are whole; next: make study STUDY={about['study']}")


if __name__ == "__main__":
    cli.run_program(main)
