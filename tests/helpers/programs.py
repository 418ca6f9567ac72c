"""Programs that are run as forks of a process which has imported what they import.

A program of the study imports torch, transformers and DeepSpeed for three to ten processor
seconds before it does a second's work. Here a server imports these once; each program is a fork
of it, and so is each Python program that this one starts: an own process with its own command
line, working folder, environment, streams, signals and exit status, and with its parent's process
id. What a fork is not is a fresh interpreter: what libraries read from the environment while they
are imported is the server's, and ``/proc`` shows the server's environment. Tests of the start
itself use ``subprocess``, and so does one of each kind of strike: those of a stop signal, and
those of kill -9.

One server with the same imports serves all of pytest's workers (``tests/conftest.py``).
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from helpers import ROOT

LIMIT = 1800.0
"""Seconds after which a program is killed and its test fails."""
ROOM = " " * 4096
"""Takes the place of the command lines of programs, in their server's."""
KEEPER = "BAYLING_TEST_SERVERS"
"""Variable with the socket of the process that keeps the servers, where another one does."""
STUDY = (
    "deepspeed",
    "deepspeed.runtime.zero",
    "torch.distributed.run",
    "transformers.integrations",
    "transformers.models.llama.modeling_llama",
    "bayling_study.stages.tuning.nodes",
    "bayling_study.stages.tuning.states",
    "bayling_study.stages.tuning.engine",
    "bayling_study.stages.tuning.output",
    "mlflow.tracking",
    *(
        f"bayling_study.stages.{name}.__main__"
        for name in (
            *("corpora", "deltas", "export", "foundation", "generation", "judging", "masks"),
            *("perplexity", "probing", "prompts", "report", "scoring", "significance"),
            *("synthesis", "tuning"),
        )
    ),
    "bayling_study.shared.tracking.__main__",
)
"""What a study's jobs and the processes of its trainings import, but for jobs whose libraries read
settings from the environment while they are imported: downloads and the harness."""
DOWNLOADS = (
    "huggingface_hub.hf_api",
    "transformers.models.llama.modeling_llama",
    "bayling_study.stages.download.__main__",
    "bayling_study.stages.download.stand_ins",
)
"""What downloads import, whose libraries read settings from the environment meanwhile."""
HARNESS = (
    "transformers.integrations",
    "transformers.models.llama.modeling_llama",
    "bayling_study.stages.harness.__main__",
    "bayling_study.stages.harness.asking",
)
"""What the harness's jobs import, whose libraries read settings from the environment meanwhile."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
"""What these jobs set before they import."""
COMET = (
    "comet.cli.score",
    "bayling_study.stages.comet.dataset",
    "bayling_study.stages.comet.degrade",
    "bayling_study.stages.comet.model",
    "bayling_study.stages.comet.results",
    "bayling_study.stages.comet.scorer",
    "bayling_study.stages.comet.tokenizer",
)
"""What the programs of the environment ``comet`` import."""
SNAKEMAKE = (
    "packaging.version",
    "platformdirs",
    "smart_open",
    "snakemake.cli",
    "snakemake.executors.dryrun",
    "snakemake.report",
    "snakemake_logger_plugin_lines",
    "snakemake_scheduler_plugin_patient",
    "yte",
    "bayling_study.dag.htcondor",
    "bayling_study.dag.rules",
)
"""What Snakemake and the Snakefile import."""


More = tuple[tuple[str, str], ...]
"""Variables and their values."""


@contextmanager
def _living_server(command: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except ConnectionError as error:
        raise AssertionError(f"the server of {command} has ended") from error


class Program:
    """A program that runs as a fork; for a test, what ``subprocess.Popen`` is."""

    def __init__(self, command: Sequence[str], asked: socket.socket) -> None:
        self.args = list(command)
        self.returncode: int | None = None
        self._asked = asked
        self.pid = self._told()

    def _told(self) -> int:
        with _living_server(self.args):
            text = self._asked.recv(100)
        assert text, f"the server of {self.args} has ended"
        return int(text)

    def poll(self) -> int | None:
        """Returns its status, if it has ended."""
        return self._waited(0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits until it ends; returns its status."""
        status = self._waited(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def _waited(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._asked], [], [], timeout)[0]:
            self.returncode = self._told()
            self._asked.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends it a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it, and nothing that it started."""
        self.send_signal(signal.SIGKILL)


class Server:
    """A process at a socket that has imported modules and runs programs as its forks."""

    def __init__(self, place: str) -> None:
        self.place = place

    def start(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdout: IO[bytes] | int = 1,
        stderr: IO[bytes] | int = 2,
    ) -> Program:
        """Starts ``python -m MODULE …`` with nothing to read, as ``subprocess.Popen`` does."""
        wanted = {
            "command": list(command),
            "environment": dict(os.environ if env is None else env),
            "folder": str(cwd or Path.cwd()),
        }
        asked = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with open(os.devnull) as nothing, _living_server(command):
            asked.connect(self.place)
            files = [file if isinstance(file, int) else file.fileno() for file in (stdout, stderr)]
            socket.send_fds(asked, [json.dumps(wanted).encode()], [nothing.fileno(), *files])
        return Program(command, asked)

    def run(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = LIMIT,
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``python -m MODULE …`` to its end, as ``subprocess.run`` does with its output."""
        out, error = (os.memfd_create(name) for name in ("stdout", "stderr"))
        with os.fdopen(out, "r+b") as said, os.fdopen(error, "r+b") as complained:
            program = self.start(command, env, cwd, said, complained)
            try:
                status = program.wait(timeout)
            except BaseException:
                program.kill()
                program.wait()
                raise
            texts = []
            for stream in (said, complained):
                stream.seek(0)
                texts.append(stream.read().decode("utf-8").replace("\r\n", "\n"))
        return subprocess.CompletedProcess(list(command), status, *texts)


class Servers:
    """Starts the servers that are asked for, and ends them; the process that does keeps them."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="forks-"))
        self._running: dict[Path, subprocess.Popen[bytes]] = {}

    def place(self, modules: Sequence[str], python: str, more: More = ()) -> str:
        """Returns the socket of the server of some modules, in this process's environment and
        ``more`` variables; the first call starts it."""
        name = hashlib.sha256(repr((python, *modules, *map(tuple, more))).encode())
        place = self.folder / name.hexdigest()[:12]
        if place not in self._running:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
                listener.bind(str(place))
                listener.listen(64)
                self._running[place] = _start(listener.fileno(), modules, python, more)
        return str(place)

    def answer(self, keeper: socket.socket) -> None:
        """Tells other processes the places of the servers that they ask for."""
        while True:
            asking, _ = keeper.accept()
            with asking:
                asking.send(self.place(*json.loads(asking.recv(1 << 16))).encode())

    def close(self) -> None:
        """Ends the servers; what they used is then known to be used by this process's children."""
        for process in self._running.values():
            assert process.stdin is not None
            process.stdin.close()
        for process in self._running.values():
            process.wait()
        shutil.rmtree(self.folder)


def _start(
    listener: int, modules: Sequence[str], python: str, more: More
) -> subprocess.Popen[bytes]:
    names = [str(ROOT / "workflow"), str(ROOT / "tests")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(names)}
    # No other thread may run when a process is forked; a program sets a number of its own.
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    environment |= {"DS_ACCELERATOR": "cpu", "HF_HUB_OFFLINE": "1", **dict(more)}
    command = [python, "-P", "-m", "helpers.forks", str(listener), *modules, ROOM]
    return subprocess.Popen(command, env=environment, pass_fds=[listener], stdin=subprocess.PIPE)


def keep() -> Servers:
    """Has this process keep the servers of those that it starts from now on."""
    servers = Servers()
    place = str(servers.folder / "keeper")
    keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    keeper.bind(place)
    keeper.listen(64)
    os.environ[KEEPER] = place
    threading.Thread(target=servers.answer, args=[keeper], daemon=True).start()
    return servers


@functools.cache
def own_servers() -> Servers:
    """Returns the servers that this process keeps for itself."""
    servers = Servers()
    atexit.register(servers.close)
    return servers


@functools.cache
def server(modules: tuple[str, ...], python: str = sys.executable, more: More = ()) -> Server:
    """Returns the server of programs that import these modules; the first call starts it.
    ``more`` are variables of its environment that libraries read while they are imported."""
    if KEEPER not in os.environ:
        return Server(own_servers().place(modules, python, more))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.connect(os.environ[KEEPER])
        asking.send(json.dumps([modules, python, more]).encode())
        return Server(asking.recv(1 << 10).decode())


def start_training(
    command: Sequence[str], env: Mapping[str, str], stderr: IO[bytes], fresh: bool = False
) -> Program | subprocess.Popen[bytes]:
    """Starts the stage program of a training; with a GPU as a fresh program, for a process that
    has used CUDA cannot be forked."""
    import torch

    if fresh or torch.cuda.is_available():
        return subprocess.Popen(command, env=env, stderr=stderr)
    return server(STUDY).start(command, env, stderr=stderr)


def run_training(
    command: Sequence[str], env: Mapping[str, str], timeout: float = LIMIT, fresh: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs the stage program of a training to its end, as ``start_training`` starts it."""
    import torch

    if fresh or torch.cuda.is_available():
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    return server(STUDY).run(command, env, timeout=timeout)


def run_snakemake(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake on the project's Snakefile in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return server(SNAKEMAKE).run([*command, *arguments], env, cwd)
