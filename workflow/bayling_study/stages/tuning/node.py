"""One node's part of a training: ``python -m bayling_study.stages.tuning.node JOB``.

Started by the scheduler on every node (``tuning.nodes``). Its output goes on to the terminal and,
with ``--logs``, to ``node-RANK.log``, which later attempts append to.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch

from bayling_study.core import cli
from bayling_study.core.network import free_port
from bayling_study.stages.tuning.job import TrainingJob
from bayling_study.stages.tuning.launcher import end, environment, shield, stop_on_signal, torchrun
from bayling_study.stages.tuning.nodes import join, node_name, node_rank

COMMAND_LINE = cli.command(
    __name__,
    job=cli.option("the job's file", positional=True, type=Path),
    rendezvous=cli.option("HOST:PORT of the first node", required=True),
    nodes=cli.number("number of nodes", required=True),
    processes=cli.number("processes of this node", required=True),
    timeout=cli.option("seconds to wait for others", required=True, type=float),
    logs=cli.path("folder for this node's log", required=False),
)


def main() -> int:
    """Meets the others and runs this node's processes; returns their status."""
    options = COMMAND_LINE.parse_args()
    rank, gpus = node_rank(), int(torch.cuda.device_count())
    with log_file(options.logs, rank) as log, stop_on_signal(TrainingJob.read(options.job)):
        master = join(options.rendezvous, rank, gpus, free_port(), options.timeout)
        tell(log, f"node {rank} of {options.nodes}, {node_name()}: master is {master}")
        command = torchrun(options.job, options.processes, master, options.nodes, rank)
        status = run(command, environment(options.processes, options.job.parent), log)
        tell(log, f"node {rank}: ended with status {status}")
    return status


def run(command: list[str], environment: dict[str, str], log: IO[str] | None) -> int:
    """Runs the processes, passing their output on; returns the exit status."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=shield,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            tell(log, line.rstrip("\n"))
    finally:
        end(process)
    return process.wait()


def tell(log: IO[str] | None, line: str) -> None:
    """Writes a line to the terminal and to the log."""
    print(line, file=sys.stderr, flush=True)
    if log is not None:
        log.write(line + "\n")
        log.flush()


@contextmanager
def log_file(folder: Path | None, rank: int) -> Iterator[IO[str] | None]:
    """Opens this node's log for appending, under a heading with the time."""
    if folder is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"node-{rank}.log", "a", encoding="utf-8") as stream:
        stream.write(f"== {time.strftime('%Y-%m-%d %H:%M:%S')} on {node_name()}\n")
        stream.flush()
        yield stream


if __name__ == "__main__":
    cli.run_program(main)
