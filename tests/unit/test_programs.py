"""A program that is run as a fork is what a fresh one is: the tests that run them so rely on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.programs import Server, stand_in

PROBE = """
import json, os, signal, subprocess, sys, threading

import json.tool

what = sys.argv[1]
if what == "facts":
    facts = {
        "argv": sys.argv[1:], "file": os.path.basename(sys.argv[0]), "name": __name__,
        "folder": os.getcwd(), "set": os.environ.get("ASKED"), "unset": os.environ.get("OMP_X"),
        "input": sys.stdin.read(), "threads": threading.active_count(),
        "handlers": [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGUSR1)],
        "files": sorted(map(int, os.listdir("/proc/self/fd")))[:3],
    }
    print(json.dumps(facts))
    print("a warning", file=sys.stderr)
elif what == "status":
    sys.exit(int(sys.argv[2]))
elif what == "words":
    sys.exit("error: words")
elif what == "fault":
    raise ValueError("a fault")
elif what == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
elif what == "late":
    import time
    def late():
        time.sleep(0.2)
        print("a thread's words")
    threading.Thread(target=late).start()
elif what == "asleep":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(75))
    print(os.getpid(), flush=True)
    while True:
        signal.pause()
elif what == "parent":
    child = subprocess.run(
        [sys.executable, "-u", "-m", "probe", "child"], capture_output=True, text=True,
        start_new_session=True, env=os.environ | {"ASKED": "more"},
    )
    told = json.loads(child.stdout)
    other = subprocess.run(["sh", "-c", "echo $PPID"], capture_output=True, text=True).stdout
    print(told["parent"] == os.getpid() == int(other), told["group"] == told["own"], told["set"])
    print(child.returncode)
    with open("kept", "w") as kept:
        for words in ("one", "two"):
            command = [sys.executable, "-m", "probe", "say", words]
            assert subprocess.run(command, stdout=kept, stdin=subprocess.DEVNULL).returncode == 0
        kept.write("three")
    print(open("kept").read())
elif what == "say":
    print(sys.argv[2])
elif what == "child":
    told = {"parent": os.getppid(), "own": os.getpid(), "group": os.getpgrp()}
    print(json.dumps(told | {"set": os.environ["ASKED"]}))
    sys.exit(4)
"""
WAYS = ("facts a --b", "status 0", "status 3", "words", "fault", "killed", "late", "parent")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(["json.tool"])
    yield running
    running.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "probe.py").write_text(PROBE)
    return tmp_path


def told(done: subprocess.CompletedProcess[str]) -> tuple[int, str, list[str]]:
    """Returns what a program left; of a traceback its last line."""
    return done.returncode, done.stdout, done.stderr.splitlines()[-1:]


@pytest.mark.parametrize("words", WAYS)
def test_a_fork_does_what_a_fresh_program_does(server: Server, folder: Path, words: str) -> None:
    command = [sys.executable, "-m", "probe", *words.split()]
    environment = {"ASKED": "yes", "PATH": os.environ["PATH"]}
    forked = server.run(command, environment, folder)
    fresh = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True,
    )  # fmt: skip
    assert told(forked) == told(fresh)
    assert forked.stdout or forked.stderr or words.split()[0] in ("status", "killed")


def test_a_fork_has_what_the_server_imported(server: Server, folder: Path) -> None:
    (folder / "look.py").write_text("import sys; print('json.tool' in sys.modules)")
    command = [sys.executable, "-m", "look"]
    assert server.run(command, {}, folder).stdout == "True\n"
    assert subprocess.run(command, cwd=folder, capture_output=True).stdout == b"False\n"


def test_a_fork_that_does_not_end_is_killed(server: Server, folder: Path) -> None:
    command = [sys.executable, "-m", "probe", "asleep"]
    with pytest.raises(subprocess.TimeoutExpired):
        server.run(command, {}, folder, timeout=0.5)
    assert server.run([*command[:-1], "status", "5"], {}, folder).returncode == 5


def test_a_server_with_a_thread_is_refused(folder: Path) -> None:
    text = "import threading, time\n"
    text += "threading.Thread(target=time.sleep, args=[60], daemon=True).start()\n"
    (folder / "threaded.py").write_text(text)
    command = [sys.executable, "-m", "helpers.forks", "0", "threaded"]
    path = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 1 and "what another thread holds" in done.stderr


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    running, found = stand_in(tmp_path_factory.mktemp("python"), ["json.tool"])
    yield found | {"BAYLING_TEST_PROGRAMS": f"{found['BAYLING_TEST_PROGRAMS']}{os.pathsep}probe"}
    running.kill()
    running.wait()


class TestPython:
    """What stands for ``python`` on the path of a study's jobs."""

    def test_streams_folder_and_status_are_the_callers(
        self, variables: dict[str, str], folder: Path
    ) -> None:
        script = "echo in | python -m probe facts > out 2> error; python -m probe status 7"
        first = os.path.dirname(sys.executable) + os.pathsep + variables["PATH"]
        environment = {**os.environ, **variables, "ASKED": "yes", "PATH": first}
        done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment)
        assert done.returncode == 7
        facts = json.loads((folder / "out").read_text())
        assert facts["input"] == "in\n" and facts["folder"] == str(folder)
        assert (facts["argv"], facts["set"]) == (["facts"], "yes")
        assert (folder / "error").read_text() == "a warning\n"

    def test_another_program_is_pythons_own(self, variables: dict[str, str], folder: Path) -> None:
        done = subprocess.run(
            ["python", "-c", "import sys; print(sys.executable)"],
            env={**os.environ, **variables}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.stdout.strip() == sys.executable

    @pytest.mark.parametrize(
        ("sent", "status"), [(signal.SIGTERM, 75), (signal.SIGKILL, -signal.SIGKILL)]
    )
    def test_a_signal_reaches_the_program(
        self, variables: dict[str, str], folder: Path, sent: signal.Signals, status: int
    ) -> None:
        environment = {**os.environ, **variables}
        command = [variables["PATH"].partition(os.pathsep)[0] + "/python", "-m", "probe", "asleep"]
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=-1) as process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) > 0
            process.send_signal(sent)
            assert process.wait(60) == status
            assert process.stdout.read() == b""  # whoever held it has ended
