"""A program that is run as a fork is what a fresh one is: the tests that run them so rely on it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import ROOT, programs
from helpers.programs import KEEPER, Server, Servers, keep
from helpers.stand_ins import stand_in

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
        "words": open("/proc/self/cmdline").read().rstrip("\\0").split("\\0")[1:],
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
PATHS = os.pathsep.join(str(ROOT / name) for name in ("workflow", "tests"))
WAYS = ("facts a --b", "status 0", "status 3", "words", "fault", "killed", "late", "parent")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    servers = Servers()
    yield Server(servers.place(["json.tool"], sys.executable))
    servers.close()


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
    command = [sys.executable, "-m", "helpers.forks", "0", "threaded", ""]
    path = os.pathsep.join([str(folder), *sys.path])
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 1 and "what another thread holds" in done.stderr


def test_a_server_that_has_ended_is_said_to_have(folder: Path) -> None:
    servers = Servers()
    running = Server(servers.place(["no_such_module"], sys.executable))
    with pytest.raises(AssertionError, match=r"the server of .*probe.* has ended"):
        running.run([sys.executable, "-m", "probe", "facts"], {}, folder)
    servers.close()


class TestStarted:
    """A program that is struck while it runs, and what a test needs of ``subprocess.Popen``."""

    def start(self, server: Server, folder: Path, *words: str) -> programs.Program:
        """Starts the probe and waits until it says its number."""
        with open(folder / "out", "wb") as out:
            program = server.start([sys.executable, "-m", "probe", *words], {}, folder, out)
        end = time.monotonic() + 60
        while not (folder / "out").read_text().endswith("\n"):
            assert time.monotonic() < end and program.poll() is None
            time.sleep(0.01)
        return program

    def test_several_run_at_once_and_each_is_signalled_by_its_number(
        self, server: Server, folder: Path
    ) -> None:
        first = self.start(server, folder, "asleep")
        second = self.start(server, folder, "asleep")
        assert int((folder / "out").read_text()) == second.pid != first.pid
        with pytest.raises(subprocess.TimeoutExpired):
            first.wait(0.1)
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == first.poll() == 75
        assert second.poll() is None
        second.kill()
        assert second.wait(60) == -signal.SIGKILL
        second.kill()  # nothing that has its number now

    def test_a_program_whose_caller_is_gone_is_killed(self, server: Server, folder: Path) -> None:
        program = self.start(server, folder, "asleep")
        watched = os.pidfd_open(program.pid)
        program._asked.close()
        assert select.select([watched], [], [], 60)[0]
        os.close(watched)

    def test_the_sites_own_file_is_run_as_at_a_start(self, server: Server, folder: Path) -> None:
        (folder / "sitecustomize.py").write_text("import sys; print(sys.orig_argv[-1])")
        command = [sys.executable, "-P", "-m", "probe", "status", "5"]
        done = server.run(command, {"PYTHONPATH": str(folder)})
        fresh = subprocess.run(command, env={"PYTHONPATH": str(folder)}, capture_output=True)
        assert (done.returncode, done.stdout) == (fresh.returncode, fresh.stdout.decode())
        assert done.stdout == "5\n"


def test_libraries_may_read_more_variables_while_they_are_imported(folder: Path) -> None:
    (folder / "reader.py").write_text("import os; READ = os.environ['ASKED']")
    (folder / "look.py").write_text("import os, reader; print(reader.READ, os.environ['ASKED'])")
    servers, paths = Servers(), os.pathsep.join([PATHS, str(folder)])
    more = ("ASKED", "first"), ("PYTHONPATH", paths)
    places = [servers.place(["reader"], sys.executable, given) for given in (more, more)]
    assert places[0] == places[1] != servers.place(["json.tool"], sys.executable)
    told = Server(places[0]).run([sys.executable, "-m", "look"], {"ASKED": "later"}, folder)
    servers.close()
    assert told.stdout == "first later\n", told.stderr


def test_other_processes_are_told_the_same_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEPER, "")
    servers = keep()
    ask = "from helpers.programs import server; print(server(('json.tool',)).place)"
    told = {
        subprocess.run([sys.executable, "-c", ask], env={**os.environ, "PYTHONPATH": PATHS},
                       capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    }  # fmt: skip
    assert told == {servers.place(["json.tool"], sys.executable)}
    servers.close()
    assert not servers.folder.exists()


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The path on which ``python`` stands for Python, for the probe."""
    stand_in(tmp_path / "bin" / "python", {"probe": programs.server(("json.tool",))})
    return {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}


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

    def test_the_first_may_be_pythons_own_too(self, tmp_path: Path, folder: Path) -> None:
        python = tmp_path / "bin" / "python"
        stand_in(python, {"look": programs.server(("json.tool",))}, fresh=True)
        (folder / "look.py").write_text("import sys; print('json.tool' in sys.modules)")
        said = [subprocess.run([python, "-m", "look"], cwd=folder, capture_output=True).stdout
                for _ in range(3)]  # fmt: skip
        assert said == [b"False\n", b"True\n", b"True\n"]

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
