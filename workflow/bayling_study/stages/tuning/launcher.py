"""Starts the worker processes, follows them, and ends them together.

torch.distributed.run starts the workers: it ends all of them when one dies and says which. It is
shielded from the signals that ask to stop, which reach training through the stop file alone, so
that a checkpoint can be finished however long it takes: torch would give its workers 30 seconds
at SIGTERM and would die of SIGUSR1, and a scheduler sends both to every process of a job. What
ends it is SIGHUP.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

import torch

from bayling_study.core.cli import end_with_parent
from bayling_study.core.errors import StudyError
from bayling_study.core.network import free_port
from bayling_study.shared.tracking.host import usable_cores
from bayling_study.stages.tuning.job import Follower, TrainingJob
from bayling_study.stages.tuning.memory import PREPARED
from bayling_study.stages.tuning.nodes import Nodes, Rendezvous

POLL_SECONDS = 0.3
EXTENSIONS = "extensions"
END_SECONDS = 40.0  # torch.distributed.run gives its workers 30 s to end
STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
FAILURE = re.compile(r"rank\s*:\s*(\d+) \(local_rank.*?exitcode\s*:\s*(-?\d+)", re.DOTALL)


def launch(
    job: TrainingJob, processes: int, handle: Callable[[dict[str, Any]], None], nodes: Nodes
) -> None:
    """Runs the workers of a written job to their end, so many ``processes`` on each of the nodes.
    ``handle`` is called with each report of the first worker, also those of earlier attempts.
    ``StudyError`` carries the message of a worker that failed, or names it and its status; or it
    names a node that did not come."""
    rendezvous = Rendezvous(nodes, processes) if nodes.count > 1 else None
    job.stop_file.unlink(missing_ok=True)
    for lock in (job.folder / EXTENSIONS).rglob("lock"):
        lock.unlink()  # of a killed compilation; the next one would wait for it without a word
    follower = Follower(job.events)
    begin = time.time()
    if rendezvous is None:
        command = torchrun(job.file, processes, f"127.0.0.1:{free_port()}")
    else:
        command = nodes.command(job.file, processes, rendezvous.endpoint)
    own = environment(processes, job.folder) if rendezvous is None else None
    process = subprocess.Popen(
        command,
        env=own,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=shield,
    )
    assert process.stderr is not None
    echo = Echo(process.stderr)
    echo.start()
    failure: dict[str, Any] | None = None
    with stop_on_signal(job):
        try:
            while True:
                running = process.poll() is None
                for event in follower.new():
                    handle(event)
                    if event["event"] == "failed" and event["time"] >= begin:
                        failure = event
                if not running:
                    break
                if rendezvous is not None:
                    rendezvous.poll()
                time.sleep(POLL_SECONDS)
        finally:
            end(process)
    echo.join(timeout=5)
    if process.returncode:
        raise _error(job, failure, echo.text, process.returncode)


def torchrun(job: Path, processes: int, master: str, nodes: int = 1, rank: int = 0) -> list[str]:
    """Returns the command line of torch.distributed.run for one node's processes. ``master`` is the
    ``HOST:PORT`` at which the processes of all ``nodes`` meet; ``rank`` says which of them this one
    is."""
    host, _, port = master.rpartition(":")
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--signals-to-handle", "SIGHUP"),
        *("--nnodes", str(nodes), "--node-rank", str(rank)),
        *("--nproc-per-node", str(processes)),
        *("--master-addr", host, "--master-port", port),
        *("-m", "bayling_study.stages.tuning.worker", str(job)),
    ]


def environment(processes: int, folder: Path) -> dict[str, str]:
    """Returns the workers' environment: the granted cores shared out, the hub switched off. What
    DeepSpeed compiles (with offload) is kept in the training job's ``folder``."""
    values = PREPARED | dict(os.environ)
    values.setdefault("TORCH_EXTENSIONS_DIR", str((folder / EXTENSIONS).resolve()))
    values["OMP_NUM_THREADS"] = str(max(1, usable_cores() // processes))
    values.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", PYTHONUNBUFFERED="1")
    if not torch.cuda.is_available():  # also where a scheduler names cards that torch cannot use
        values["DS_ACCELERATOR"] = "cpu"
    return values


class Echo(threading.Thread):
    """Passes the workers' standard error on and remembers its end."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.text = ""

    def run(self) -> None:
        """Copies lines until the stream ends."""
        for line in self.stream:
            sys.stderr.write(line)
            sys.stderr.flush()
            self.text = (self.text + line)[-20_000:]


@contextmanager
def stop_on_signal(job: TrainingJob) -> Iterator[None]:
    """Turns a stop signal into the stop file while the block runs."""

    def ask(number: int, frame: FrameType | None) -> None:
        print(f"{signal.Signals(number).name}: saving and stopping", file=sys.stderr, flush=True)
        job.stop_file.touch()

    old = {number: signal.signal(number, ask) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def end(process: subprocess.Popen[str]) -> None:
    """Ends the launcher and its workers if they still run."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGHUP)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def shield() -> None:
    """Makes a starting launcher deaf to stop signals, but lets it end when this program dies. Linux
    sends it SIGHUP then. Workers inherit the deafness until they have handlers of their own."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(signal.SIGHUP)


def _error(job: TrainingJob, failure: dict[str, Any] | None, text: str, status: int) -> StudyError:
    if failure is not None:
        return StudyError(failure["what"], where=failure["where"], fix=failure["fix"])
    root = FAILURE.search(text, max(text.rfind("Root Cause"), 0))
    # What a signal ended is the cause, though torch may have seen another first, which missed it.
    found = next((each for each in FAILURE.finditer(text) if each[2].startswith("-")), root)
    who = f"process {found[1]}" if found else "the launcher"
    code = int(found[2]) if found else status
    killed = code < 0
    again = "start again: training continues from the newest checkpoint"
    how = f"was ended by {signal.Signals(-code).name}" if killed else f"ended with status {code}"
    fix = again if killed else "the reason is in the lines above"
    return StudyError(f"{who} {how}; training stopped", where=job.folder, fix=fix)
