"""What every stage program shares: its common options and its way to fail.

Standard library only: the COMET environment uses this module too.
"""

from __future__ import annotations

import argparse
import errno
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from bayling_study.core.errors import StudyError

EXIT_USER_ERROR = 2
MACHINE_FAULTS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO),
}
"""Errors of the disk or of permissions: told in one line, since no code is at fault."""
EXIT_INTERRUPTED = 75  # EX_TEMPFAIL: the work was saved, start the job again


def stage_parser(
    stage: str, description: str, settings: bool = True, operations: bool = False
) -> argparse.ArgumentParser:
    """Returns a parser with the options that every stage has.

    ``--settings``: the JSON file with the config keys that decide the job's bytes
    (unless none do); ``--operations``: those that decide how its work is done, for
    stages that have such; ``--record``: where the run record goes; ``--code``: hash
    of the stage's code.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m bayling_study.stages.{stage}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if settings:
        parser.add_argument(
            "--settings", type=Path, required=True, help="settings file of the study"
        )
    if operations:
        parser.add_argument("--operations", type=Path, help="settings that change no result")
    parser.add_argument("--record", type=Path, required=True, help="run record to write")
    parser.add_argument("--code", default="", help="hash of the code of this stage")
    return parser


def pairs(values: list[str], option: str) -> dict[str, Path]:
    """Turns ``["name=path", …]`` of a repeatable option into a dictionary.

    Raises:
        StudyError: an item has no ``=``.
    """
    result: dict[str, Path] = {}
    for value in values:
        name, separator, path = value.partition("=")
        if not separator:
            raise StudyError(f"{value!r} has no '='", where=option, fix=f"{option} NAME=PATH")
        result[name] = Path(path)
    return result


def run_program(main: Callable[[], int | None]) -> None:
    """Runs a stage's ``main`` and ends the process with its status.

    A ``StudyError``, a full disk or a missing permission is printed without a
    traceback and ends with status 2.
    """
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s"
    )
    try:
        status = main()
    except StudyError as error:
        print(f"error: {error.render()}", file=sys.stderr)
        status = EXIT_USER_ERROR
    except OSError as error:
        if error.errno not in MACHINE_FAULTS:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        status = EXIT_USER_ERROR
    sys.exit(status or 0)
