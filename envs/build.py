"""Builds the environments of ``make``: beside those in use, whole or not at all.

    python3 envs/build.py study comet     # what `make envs` runs
    python3 envs/build.py --look study    # is it there? builds nothing

An environment is a folder ``.venv/NAME-HASH``, where HASH is that of
``envs/NAME.lock`` and ``envs/torch.txt``; ``.venv/NAME`` is a link to the one
in use. A virtual environment holds its own absolute path, so it is made where
it stays, and only the link changes, at the end. Its last file is the stamp
``.complete``, which holds the hash: what has no stamp is never used. Folders
``.venv/NAME`` from before, whose stamps are empty, stay in use for as long as
they hold what the lock names.

Standard library only, for nothing is installed when this runs.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from environment import Environment, remove
from in_use import SECONDS, STAMP, alone, held, say, users

STUDIES = ("snakemake", "bayling_study")
"""Words in the command lines of processes that would meet another environment halfway."""
TAIL = 15
"""Lines of pip's log that are shown when it fails."""


class BuildError(Exception):
    """What the user is told, in one line."""


def refuse_if_in_use(environments: list[Environment]) -> None:
    """Raises an error while a study runs in one of the environments.

    Other programs (``make ui``) go on in the old one, unless it has to be renamed.
    """
    for environment in environments:
        folder = environment.link.resolve()
        for process, words in users(folder).items():
            study = any(word in words for word in STUDIES)
            if study or not environment.link.is_symlink():
                raise BuildError(
                    f"{environment.shown} is to change, but process {process} runs in it "
                    f"({words[:60]}): wait for it or stop it, and start again"
                )
        if held(folder):
            raise BuildError(
                f"{environment.shown} is to change, but a study runs in it, here or on another "
                "machine: wait for it or stop it, and start again"
            )


def build(environment: Environment, lock: int) -> None:
    """Installs an environment where it stays; the stamp comes last.

    The lock is installed without looking at dependencies; torch comes after it and
    brings what its build for this machine needs (``$TORCH_OPTIONS``).
    """
    folder = environment.folder
    if folder.exists():
        remove(folder)
    log = folder.with_suffix(".log")
    log.unlink(missing_ok=True)
    say(f"{environment.name}: installing {folder} (a few minutes)")
    pinned, torch = map(str, environment.files)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--progress-bar", "off"]
    options = shlex.split(os.environ.get("TORCH_OPTIONS", ""))
    start = time.monotonic()
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "--no-deps", "--require-hashes", "-r", pinned],
        [*pip, *options, "-r", torch],
    ):
        run(environment, command, log, lock, start)
    if environment.hash_now() != environment.hash:
        raise BuildError(f"envs/{environment.name}.lock changed during the build: start again")
    os.sync()  # the stamp must not outlive a power failure that the packages do not
    (folder / STAMP).write_text(f"{environment.hash}\n")
    log.unlink()


def run(environment: Environment, command: list[str], log: Path, lock: int, start: float) -> None:
    """Runs one step of a build, with a line of progress a minute.

    The step inherits the lock: if this process is killed, the next builder waits
    until nobody writes into the folder any more.
    """
    with open(log, "a", encoding="utf-8") as sink:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            process_group=0,
        )
    try:
        while process.poll() is None:
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                say(f"{environment.name}: {progress(environment, log, start)}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)  # with pip's own children
            process.wait()
    if process.returncode:
        say("\n".join(log.read_text(errors="replace").splitlines()[-TAIL:]))
        raise BuildError(f"{environment.shown} could not be built; all of pip's words: {log}")


def progress(environment: Environment, log: Path, start: float) -> str:
    """Returns how far a build is: time, packages of all, rate, time left, pip's last words.

    pip collects all packages before it installs the first, which is the shorter part.
    """
    minutes = (time.monotonic() - start) / 60
    installed = len(list(environment.folder.glob("lib/python*/site-packages/*.dist-info")))
    words = log.read_text(errors="replace")
    collected = words.count("\nCollecting ") + words.startswith("Collecting ")
    total = max(environment.files[0].read_text(encoding="utf-8").count("=="), collected)
    rate = collected / max(minutes, 1 / 60)
    left = f", {rate:.0f} a minute, {(total - collected) / rate:.0f} min left" if rate else ""
    counts = f"{collected} of {total} packages collected{left}; {installed} installed"
    last = words.strip().rpartition("\n")[2].partition(" (from")[0].strip()[:70]
    return f"{minutes:.0f} min, {counts}; {last}"


def ensure(environments: list[Environment]) -> None:
    """Builds what is missing or differs from its lock, and switches to it.

    Raises:
        BuildError: a study runs in an environment that has to change, or pip failed.
    """
    home = environments[0].home
    if all(environment.ready(environment.link) for environment in environments):
        for environment in environments:
            environment.adopt()
        if any(environment.leftovers() for environment in environments):
            with alone(home, wait=False) as lock:
                for environment in environments if lock is not None else []:
                    environment.sweep()
        return
    with alone(home) as lock:
        assert lock is not None
        missing = [e for e in environments if not e.ready(e.link)]  # another make may have built
        if missing:
            refuse_if_in_use(environments)
        for environment in missing:
            if not environment.ready(environment.folder):
                build(environment, lock)
        if missing:
            refuse_if_in_use(environments)  # again: one may have been started meanwhile
        for environment in missing:
            environment.switch()
        for environment in environments:
            environment.sweep()


def look(environment: Environment) -> None:
    """Says whether an environment is there and as its lock wants it; changes nothing.

    Raises:
        BuildError: it is missing.
    """
    if not (environment.link / STAMP).is_file():
        raise BuildError(f"there is no environment in {environment.shown}: make envs builds it")
    if not environment.ready(environment.link):
        say(f"note: {environment.shown} differs from its lock: make envs builds the new one")


def main() -> int:
    """Builds or looks; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--look", action="store_true", help="only say what is missing")
    parser.add_argument("names", nargs="+", choices=["study", "comet"])
    options = parser.parse_args()
    environments = [Environment(name) for name in options.names]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        if options.look:
            for environment in environments:
                look(environment)
        else:
            ensure(environments)
    except (BuildError, OSError) as error:
        say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        say("stopped: what is there of the new environment will not be used")
        return 130
    return 0


def stop(number: int, frame: FrameType | None) -> None:
    """Ends as Ctrl-C does, so that pip ends too."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
