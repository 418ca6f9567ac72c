"""What every program shares: how its command line is described, and its way to fail. Standard
library only: the COMET environment uses this module too."""

import argparse
import ctypes
import errno
import logging
import math
import os
import re
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bayling_study.core.credentials import without_credentials
from bayling_study.core.errors import StudyError

EXIT_USER_ERROR = 2
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h
MACHINE_FAULTS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EIO),
}
"""Errors of the disk or of permissions: told in one line, since no code is at fault."""
FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
RUST_ERROR = re.compile(r"\(os error (\d+)\)")
EXIT_INTERRUPTED = 75  # EX_TEMPFAIL: the work was saved, start the job again
EXIT_UNREAD = 128 + signal.SIGPIPE
"""Whoever read the output has left, as ``head`` does; the work may not be done."""


Option = dict[str, Any]
"""What ``add_argument`` of ``argparse`` is told of an option."""


class OneOf(dict[str, Option]):
    """Options of which exactly one has to be given."""


class Actions(dict[str, tuple[str, Mapping[str, Option | OneOf]]]):
    """Sub-commands: the meaning and the options of each."""


def option(meaning: str, **more: Any) -> Option:
    """Describes an option that may be left out; with ``positional=True`` it has no name."""
    return {"help": meaning, **more}


def number(
    meaning: str, least: float = 1, kind: type[int] | type[float] = int, **more: Any
) -> Option:
    """Describes an option that is a number, finite and not below the least that makes sense."""

    def within(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            what = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"{text!r} is not a {what} from {least:g} on")
        return value

    return {"help": meaning, "type": within, **more}


def path(meaning: str, **more: Any) -> Option:
    """Describes an option that is a path and, if nothing else is said, needed."""
    return {"help": meaning, "type": Path, "required": True, **more}


JOB = {
    "record": path("run record to write"),
    "code": option("hash of the code of this stage", default=""),
}
"""What every stage is told."""
STAGE = {"settings": path("settings file of the study"), **JOB}
"""The same for a stage with settings: the config keys that decide the job's bytes."""
OPERATIONS = path("settings that change no result", required=False)
SYSTEM = option("name of the system in the config", required=True)
SUITES = option("suites of the config", required=True, nargs="+", metavar="SUITE")
PROMPTS = path("folder of SUITE.jsonl")
GENERATION = path("folder of SYSTEM/SUITE.jsonl")
DOWNLOADS = option("the download of a source", action="append", default=[], metavar="ID=DIR")
THREADS = number("CPU threads; default: OMP_NUM_THREADS")
STUDY = path("results folder of the study")
STUDY_CONFIG = path(
    "config of the study; later files override earlier ones", nargs="+", metavar="FILE"
)


def command(module: str, /, **options: Option | OneOf | Actions) -> argparse.ArgumentParser:
    """Returns the command line of the program with this ``__name__``, explained as its module is;
    ``base_checkpoint=path(…)`` is ``--base-checkpoint``, a sub-command goes to its key."""
    program = sys.modules[module]
    name = program.__spec__.name if program.__spec__ else module
    parser = argparse.ArgumentParser(
        prog=f"python -m {name.removesuffix('.__main__')}",
        description=program.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, about in options.items():
        if isinstance(about, Actions):
            chosen = parser.add_subparsers(dest=name, required=True)
            for action, (meaning, own) in about.items():
                _add(chosen.add_parser(action, help=meaning), own)
        else:
            _add(parser, {name: about})
    return parser


def _add(parser: argparse._ActionsContainer, options: Mapping[str, Option | OneOf]) -> None:
    for name, about in options.items():
        if isinstance(about, OneOf):
            either = {key: one | {"required": False} for key, one in about.items()}
            _add(parser.add_mutually_exclusive_group(required=True), either)
            continue
        facts = dict(about)
        named = not facts.pop("positional", False)
        parser.add_argument(f"--{name.replace('_', '-')}" if named else name, **facts)


def pairs(values: list[str], option: str) -> dict[str, Path]:
    """Turns ``["name=path", …]`` into a dictionary (``StudyError`` if an item has no ``=``)."""
    result: dict[str, Path] = {}
    for value in values:
        name, separator, path = value.partition("=")
        if not separator:
            raise StudyError(f"{value!r} has no '='", where=option, fix=f"{option} NAME=PATH")
        result[name] = Path(path)
    return result


class Masking(logging.Formatter):
    """Writes log lines, and the tracebacks in them, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        return without_credentials(super().format(record))


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Has this process sent a signal when its parent dies, however that is; on Linux alone. For
    ``preexec_fn``."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PARENT_DEATH_SIGNAL, number)


def run_program(main: Callable[[], int | None]) -> None:
    """Runs a stage's ``main`` and ends the process with its status: 2, without a traceback, of a
    ``StudyError``, a full disk or a missing permission. No log line or traceback shows a secret."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Masking("%(asctime)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    sys.excepthook = lambda *error: print(
        without_credentials("".join(traceback.format_exception(*error))), end="", file=sys.stderr
    )
    try:
        try:
            status = main()
        finally:  # the help of ``argparse`` too
            if sys.stdout is not None:
                sys.stdout.flush()
    except StudyError as error:
        print(f"error: {without_credentials(error.render())}", file=sys.stderr)
        status = EXIT_USER_ERROR
    except Exception as error:
        unread = isinstance(error, BrokenPipeError) and _unread()
        fault = machine_fault(error)
        if not (unread or fault):
            raise
        try:
            sys.stdout.flush()
        except OSError:  # let it go nowhere, or Python would try again at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if fault:
            print(f"error: {fault}", file=sys.stderr)
        status = EXIT_UNREAD if unread else EXIT_USER_ERROR
    sys.exit(status or 0)


def machine_fault(error: BaseException) -> str:
    """Returns which fault of the disk or of permissions is behind an error, if any; libraries in
    Rust tell it in their text alone, and torch raises another error over it."""
    told = RUST_ERROR.search(str(error))
    number = error.errno if isinstance(error, OSError) else int(told[1]) if told else None
    if number in MACHINE_FAULTS:
        where = getattr(error, "filename", None) or "a file"
        return f"{where}: {os.strerror(number)}"
    fault = machine_fault(error.__context__) if error.__context__ else ""
    return fault if fault.endswith(FULL) else ""


def _unread() -> bool:
    """Tells whether nobody reads the output."""
    output = select.poll()
    output.register(sys.stdout, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in output.poll(0))
