"""The server of ``helpers.programs``: ``python -m helpers.forks NUMBER MODULE … ROOM``.

Imports the modules, then runs a program for each connection to the socket that it has as file
NUMBER, as many at once as there are. A connection says what to run, with its three streams; it is
answered with the program's process id and, at its end, its status. The server ends when nobody
holds the other end of its standard input. ROOM is for the command lines of the programs.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import select
import signal
import site
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

MOST_FILES = 4096
MESSAGE = 1 << 20


EXECUTE = subprocess.Popen._execute_child  # type: ignore[attr-defined]
"""How ``subprocess`` starts a program of any kind."""
PIPES = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")


def execute(process: subprocess.Popen[Any], args: Any, *how: Any) -> None:
    """Starts ``python -m MODULE …`` as a fork of this process, and anything else as ever.

    Stands for a method of ``subprocess.Popen``, which then has the ends of the pipes: programs
    such as torch's launcher keep the class itself.
    """
    names = [*inspect.signature(EXECUTE).parameters][2:]
    asked = dict(zip(names, how, strict=True))
    if not is_module(args):
        EXECUTE(process, args, *how)
        return
    streams = {0: asked["p2cread"], 1: asked["c2pwrite"], 2: asked["errwrite"]}
    number = os.fork()
    if number == 0:

        def begin() -> None:
            given = {target: os.dup(file) for target, file in streams.items() if file != -1}
            for target, file in given.items():
                os.dup2(file, target)
            if asked["start_new_session"]:
                os.setsid()
            if asked["preexec_fn"] is not None:
                asked["preexec_fn"]()

        environment = os.environ if asked["env"] is None else asked["env"]
        folder = asked["cwd"] or os.getcwd()
        become(args, dict(environment), str(folder), begin, set(asked["pass_fds"]))
    process.pid, process._child_created = number, True  # type: ignore[attr-defined]
    process._close_pipe_fds(*(asked[name] for name in PIPES))  # type: ignore[attr-defined]


def is_module(command: Any) -> bool:
    """Tells whether a command runs a module in this Python, with options that change nothing."""
    return isinstance(command, list | tuple) and module_at(command) > 0


def module_at(command: Sequence[str]) -> int:
    """Returns where in a command the module's name is; 0 where a fork cannot run the command."""
    if command[0] != sys.executable:
        return 0
    place = 1
    while place + 1 < len(command) and command[place] in ("-u", "-P"):
        place += 1
    return place + 1 if command[place : place + 2] and command[place] == "-m" else 0


def become(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: str,
    begin: Callable[[], None],
    kept: Collection[int] = (),
) -> NoReturn:
    """Makes a process that was just forked the program that a command names, to its end.

    ``begin`` sets up its streams and its place among processes; of other files that are open,
    it keeps those in ``kept``.
    """
    status = 1
    # What the parent held, and has not written yet, is not this process's to close.
    _parents = sys.stdin, sys.stdout, sys.stderr
    try:
        gc.freeze()
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        begin()
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, encoding="utf-8", errors=errors, closefd=False, buffering=line)  # noqa: SIM115
            for number, mode, errors, line in (
                (0, "r", "strict", -1),
                (1, "w", "strict", -1),
                (2, "w", "backslashreplace", 1),
            )
        )
        for number in range(3, MOST_FILES):
            if number not in kept:
                try_close(number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        take_threads(environment)
        at = module_at(command)
        paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        own = [] if "-P" in command[:at] else [folder]
        sys.path[:0] = [path for path in (*own, *paths) if path not in sys.path]
        sys.argv = [command[at], *command[at + 1 :]]
        sys.orig_argv = list(command)
        show(command)
        sys.modules.pop("sitecustomize", None)
        site.execsitecustomize()  # of PYTHONPATH, as Python does when it starts
        status = run(command[at])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def show(command: Sequence[str]) -> None:
    """Has ``/proc`` say that this process's command line is a command, as far as there is room."""
    facts = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(facts[45]), int(facts[46])
    text = b"".join(os.fsencode(word) + b"\0" for word in command)
    ctypes.memmove(begin, text.ljust(end - begin, b"\0")[: end - begin], end - begin)


def try_close(number: int) -> None:
    try:
        os.close(number)
    except OSError:
        return


def take_threads(environment: Mapping[str, str]) -> None:
    """Gives torch the threads that it would read from the environment when it is imported."""
    if "torch" in sys.modules and "OMP_NUM_THREADS" in environment:
        sys.modules["torch"].set_num_threads(int(environment["OMP_NUM_THREADS"]))


def run(module: str) -> int:
    """Runs a module as ``python -m`` does; returns the status that the process would have."""
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return status


def listen(listener: socket.socket) -> None:
    """Runs a program for each connection until standard input ends."""
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # those that have ended
                continue
        if 0 in ready:
            return
        asked, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            follow(asked)
            os._exit(0)
        asked.close()


def follow(asked: socket.socket) -> None:
    """Runs a connection's program, hands signals on to it, and kills it if its caller is gone."""
    text, files, _, _ = socket.recv_fds(asked, MESSAGE, 3)
    if not text:
        return
    number = fork(json.loads(text), files)
    with contextlib.suppress(OSError):
        asked.send(str(number).encode())
    ended = os.pidfd_open(number)
    while True:
        ready, _, _ = select.select([ended, asked], [], [])
        if ended in ready:
            _, status = os.waitpid(number, 0)
            with contextlib.suppress(OSError):
                asked.send(str(os.waitstatus_to_exitcode(status)).encode())
            return
        sent = asked.recv(100)
        os.kill(number, int(sent) if sent else signal.SIGKILL)


def fork(wanted: Mapping[str, Any], files: list[int]) -> int:
    """Starts a program with these streams; returns its number."""
    number = os.fork()
    if number == 0:

        def begin() -> None:
            for target, source in enumerate(files):
                os.dup2(source, target)

        become(wanted["command"], wanted["environment"], wanted["folder"], begin)
    for file in files:
        os.close(file)
    return number


def main() -> None:
    place, *names, _ = sys.argv[1:]
    for name in names:
        importlib.import_module(name)
        if name.endswith("__main__"):
            del sys.modules[name]  # it is run as a program, from its beginning
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, "a fork may wait for ever for what another thread holds"
    subprocess.Popen._execute_child = execute  # type: ignore[attr-defined]
    listen(socket.socket(fileno=int(place)))
    os._exit(0)  # what was imported needs no end of its own


if __name__ == "__main__":
    main()
