"""Programs that are run as forks of a process which has imported what they import.

A program of the study imports torch, transformers and DeepSpeed for three to ten processor
seconds before it does a second's work. Here a server imports these once; each program is a fork
of it, and so is each Python program that this one starts: an own process with its own command
line, working folder, environment, streams, signals and exit status, and with its parent's process
id. What a fork is not is a fresh interpreter: what libraries read from the environment while they
are imported, and what ``/proc`` says of the command line, is the server's. Tests of signals, of
kills and of the start itself use ``subprocess``.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers import ROOT

LIMIT = 1800.0
"""Seconds after which a program is killed and its test fails."""
TRAINING = (
    "deepspeed",
    "deepspeed.runtime.zero",
    "torch.distributed.run",
    "transformers.integrations",
    "transformers.models.llama.modeling_llama",
    "bayling_study.stages.tuning.nodes",
    "bayling_study.stages.tuning.states",
    "bayling_study.stages.tuning.engine",
    "bayling_study.stages.tuning.output",
)
"""What the stage program, torch's launcher and the training processes import."""


STUDY = (
    *TRAINING,
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
"""What a study's jobs import, but for those whose libraries read settings from the environment
while they are imported: downloads and the harness."""
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
    "yte",
    "bayling_study.dag.htcondor",
    "bayling_study.dag.rules",
)
"""What Snakemake and the Snakefile import."""


def start(
    place: str, modules: Sequence[str], *passed: int, python: str = sys.executable
) -> subprocess.Popen[bytes]:
    """Starts a server at a socket, which a number or a path says."""
    names = [str(ROOT / "workflow"), str(ROOT / "tests")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(names)}
    # No other thread may run when a process is forked; a program sets a number of its own.
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment["JE_ARROW_MALLOC_CONF"] = "background_thread:false"
    environment |= {"DS_ACCELERATOR": "cpu", "HF_HUB_OFFLINE": "1"}
    command = [python, "-P", "-m", "helpers.forks", place, *modules]
    return subprocess.Popen(command, env=environment, pass_fds=passed, stdin=subprocess.DEVNULL)


class Server:
    """A process that has imported modules and runs programs as its forks, one after another."""

    def __init__(self, modules: Sequence[str], python: str = sys.executable) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self._process = start(str(number), modules, number, python=python)

    def run(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = LIMIT,
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``python -m MODULE …`` to its end, as ``subprocess.run`` does with its output."""
        out, error = (os.memfd_create(name) for name in ("stdout", "stderr"))
        asked = {
            "command": list(command),
            "environment": dict(os.environ if env is None else env),
            "folder": str(cwd or Path.cwd()),
        }
        with (
            open(os.devnull) as nothing,
            os.fdopen(out, "r+b") as said,
            os.fdopen(error, "r+b") as complained,
        ):
            streams = [stream.fileno() for stream in (nothing, said, complained)]
            socket.send_fds(self._ours, [json.dumps(asked).encode()], streams)
            status = self._ended(command, timeout)
            texts = []
            for stream in (said, complained):
                stream.seek(0)
                texts.append(stream.read().decode("utf-8").replace("\r\n", "\n"))
        return subprocess.CompletedProcess(list(command), status, *texts)

    def _ended(self, command: Sequence[str], timeout: float) -> int:
        """Waits for the program that was asked for; returns its status."""
        number = int(self._ours.recv(100))
        self._ours.settimeout(timeout)
        try:
            return int(self._ours.recv(100))
        except TimeoutError:
            os.kill(number, signal.SIGKILL)
            self._ours.settimeout(None)
            self._ours.recv(100)  # its status
            raise subprocess.TimeoutExpired(list(command), timeout) from None
        finally:
            self._ours.settimeout(None)

    def close(self) -> None:
        """Ends the server; what it used is then known to be used by this process's children."""
        self._ours.close()
        self._process.wait()


@functools.cache
def server(modules: tuple[str, ...], python: str = sys.executable) -> Server:
    """Returns this process's server of programs that import these modules; the first call
    starts it."""
    started = Server(modules, python)
    atexit.register(started.close)
    return started


def run_training(
    command: Sequence[str], env: Mapping[str, str], timeout: float = LIMIT
) -> subprocess.CompletedProcess[str]:
    """Runs the stage program of a training; with a GPU as a fresh program, for a process that has
    used CUDA cannot be forked."""
    import torch

    if torch.cuda.is_available():
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    return server(TRAINING).run(command, env, timeout=timeout)


def run_snakemake(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs Snakemake on the project's Snakefile in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return server(SNAKEMAKE).run([*command, *arguments], env, cwd)


def stand_in(
    folder: Path, modules: Sequence[str]
) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Starts a server whose forks are what ``python -m MODULE`` is, for those of the modules that
    are programs; returns it and the variables that make it so."""
    place, python = folder / "socket", folder / "python"
    text = (ROOT / "tests" / "helpers" / "as_python.py").read_text(encoding="utf-8")
    python.write_text(f"#!{sys.executable} -IS\n{text}", encoding="utf-8")
    python.chmod(0o755)
    # The Snakefile puts its own Python first, so the shell of each job has to do it.
    shell = folder / "path.sh"
    shell.write_text(f'PATH="{folder}:$PATH"\n', encoding="utf-8")
    running = start(str(place), modules)
    while not place.exists():
        assert running.poll() is None
        time.sleep(0.05)
    programs = [name.removesuffix(".__main__") for name in modules if name.endswith("__main__")]
    return running, {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "BASH_ENV": str(shell),
        "BAYLING_TEST_PROGRAMS": os.pathsep.join([sys.executable, str(place), *programs]),
    }


@functools.cache
def study_programs() -> dict[str, str]:
    """Returns the variables of Snakemake's environment with which jobs of a study are forks of
    this process's server of them; the first call starts it."""
    folder = Path(tempfile.mkdtemp())
    running, variables = stand_in(folder, STUDY)
    atexit.register(shutil.rmtree, folder)
    atexit.register(running.wait)
    atexit.register(running.kill)
    return variables
