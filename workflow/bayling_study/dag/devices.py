"""Hands out the GPUs of one machine: ``python -m bayling_study.dag.devices --gpus N -- COMMAND``.

Waits until N cards are free, sets ``CUDA_VISIBLE_DEVICES`` to them and becomes COMMAND. Snakemake
counts GPUs but never says which, so without this two jobs of a workstation would meet on card 0.
Under a scheduler, which deals the cards out itself, the workflow does not use it.

A card is held through a file lock, which ends with the process, however it ends. All users of the
machine share the locks. Who waits first is served first, also when it waits for all cards.
Standard library only.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bayling_study.core import cli
from bayling_study.core.errors import StudyError

PROGRAM = "bayling_study.dag.devices"
VISIBLE = "CUDA_VISIBLE_DEVICES"
LISTED = re.compile(r"^GPU (\d+): .*\(UUID: (GPU-[0-9a-f-]+)\)", re.MULTILINE)
POLL_SECONDS = 0.2
LOCKS = Path(tempfile.gettempdir()) / "bayling-study-gpus"

COMMAND_LINE = cli.command(
    __name__,
    gpus=cli.option("cards to take: a number, or 'all'; a machine without has 0", required=True),
    locks=cli.path("folder of the locks, one for the machine", required=False, default=LOCKS),
    command=cli.option("the program and its arguments, after --", positional=True, nargs="+"),
)


def main() -> None:
    """Takes the cards and becomes the command."""
    options = COMMAND_LINE.parse_args()
    names = cards()
    if wanted := count(options.gpus, len(names)):
        # The open files, and with them the locks, stay with the command.
        os.environ[VISIBLE] = ",".join(take(names, wanted, options.locks))
        print(f"GPUs of this job: {os.environ[VISIBLE]}", file=sys.stderr, flush=True)
    os.execvp(options.command[0], options.command)


def on_free_cards(gpus: str) -> str:
    """Returns what stands before a command that takes free cards of this machine for itself."""
    return f"python -m {PROGRAM} --gpus {gpus} --"


def cards() -> dict[str, str]:
    """Returns the cards this program may use: what to call each, and what it is.
    ``CUDA_VISIBLE_DEVICES`` may limit them (empty: none). "0" and "GPU-…" are one card by its
    UUID."""
    known = dict(LISTED.findall(_listing()))
    if VISIBLE not in os.environ:
        return known
    names = [name.strip() for name in os.environ[VISIBLE].split(",")]
    return {name: known.get(name, name) for name in names if name not in ("", "-1")}


def _listing() -> str:
    program = shutil.which("nvidia-smi")
    done = subprocess.run([program, "-L"], capture_output=True, text=True) if program else None
    return done.stdout if done and done.returncode == 0 else ""


def count(wanted: str, there: int) -> int:
    """Returns how many cards to take; on a machine without any, none (``StudyError`` if the number
    is none, or the machine has some cards but fewer)."""
    if wanted == "all":
        return there
    if not wanted.isdigit():
        raise StudyError(f"{wanted!r} is not a number of GPUs", where="--gpus", fix="--gpus 1")
    if 0 < there < int(wanted):
        what = f"{wanted} GPUs are asked for, this machine has {there}"
        raise StudyError(what, where="--gpus", fix=f"--gpus {there}")
    return int(wanted) if there else 0


def take(names: dict[str, str], wanted: int, folder: Path) -> list[str]:
    """Waits for cards and locks them until this process ends; returns their names. One waiter at a
    time collects: so none starves, and no two hold what the other waits for."""
    queue = _open_lock(folder, "queue")
    fcntl.flock(queue, fcntl.LOCK_EX)
    taken: dict[str, int] = {}
    while True:
        for name, identity in names.items():
            if name not in taken and len(taken) < wanted:
                lock = _open_lock(folder, identity)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken[name] = lock
                except BlockingIOError:
                    os.close(lock)
        if len(taken) == wanted:
            break
        time.sleep(POLL_SECONDS)
    os.close(queue)
    for lock in taken.values():
        os.set_inheritable(lock, True)
    return [name for name in names if name in taken]


def _open_lock(folder: Path, identity: str) -> int:
    """Opens a lock file, of whichever user; reading is enough to lock. Linux refuses to create over
    another user's file in a folder like ``/tmp`` (``fs.protected_regular``), so an existing one is
    opened without creating it."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    path = folder / f"{re.sub('[^A-Za-z0-9-]', '_', identity)}.lock"
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)


if __name__ == "__main__":
    cli.run_program(main)
