"""Training on several nodes: who takes part, where they rendezvous, who is missing.

The stage program runs on the first node of the allocation. It opens the rendezvous (a TCP store
of torch) and has the scheduler start one ``tuning.node`` on each node. When all have reported
there, all start torch.distributed.run with the first node as master. A node that does not come,
or cannot reach the rendezvous, is named in an error after ``timeout`` seconds; torch alone would
wait for half an hour and then name nobody.
"""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from torch.distributed import DistError, TCPStore

from bayling_study.core.errors import StudyError

TIMEOUT_SECONDS = 300.0
RANK_VARIABLES = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
"""Where srun, Open MPI, MPICH and PMIx say which of its tasks a program is."""


@dataclass(frozen=True)
class Nodes:
    """The nodes of one training, each with so many cores (``threads``). ``launcher`` starts one
    task on each (``srun``, or a whole command line); ``logs`` is a folder for each one's output, or
    none; all have ``timeout`` seconds to come."""

    count: int = 1
    threads: int = 1
    launcher: str = "srun"
    logs: Path | None = None
    timeout: float = TIMEOUT_SECONDS

    def command(self, job: Path, processes: int, rendezvous: str) -> list[str]:
        """Returns the command line that starts ``tuning.node`` on every node. The jobstep plugin of
        Snakemake takes ``SLURM_NNODES`` and the like away, and srun does not inherit the job's
        cores a task (since 22.05), so all is told."""
        program = [sys.executable, "-m", "bayling_study.stages.tuning.node", str(job)]
        program += ["--rendezvous", rendezvous, "--nodes", str(self.count)]
        program += ["--processes", str(processes), "--timeout", f"{self.timeout:g}"]
        program += ["--logs", str(self.logs)] if self.logs else []
        if self.launcher != "srun":
            return [*shlex.split(self.launcher), *program]
        tasks = ["--nodes", str(self.count), "--ntasks", str(self.count), "--ntasks-per-node", "1"]
        step = ["--cpus-per-task", str(self.threads), "--kill-on-bad-exit=1", "--unbuffered"]
        return ["srun", *tasks, *step, *program]


class Rendezvous:
    """Where the nodes report; lives in the stage program on the first node. ``processes`` are the
    workers of each node."""

    def __init__(self, nodes: Nodes, processes: int) -> None:
        self.nodes = nodes
        self.processes = processes
        address = head_address()
        self.store = TCPStore(address, 0, is_master=True, wait_for_workers=False)
        self.endpoint = f"{address}:{self.store.port}"
        self._deadline = time.monotonic() + nodes.timeout
        self._complete = False

    def poll(self) -> None:
        """Lets the nodes start once all have come; call it again and again (``StudyError`` names
        who is missing when time is up, or a node that has fewer GPUs than processes)."""
        if self._complete:
            return
        came: dict[int, dict[str, Any]] = {}
        for rank in range(self.nodes.count):
            if self.store.check([f"node/{rank}"]):
                came[rank] = json.loads(self.store.get(f"node/{rank}"))
        some = any(node["gpus"] for node in came.values())
        for rank, node in came.items():
            if some and node["gpus"] < self.processes:
                what = f"it was given {node['gpus']} GPUs for {self.processes} processes"
                fix = "ask for as many GPUs on every node: gres in place of gpu in the profile"
                raise StudyError(what, where=f"node {rank} ({node['host']})", fix=fix)
        if len(came) == self.nodes.count:
            address = self.endpoint.rpartition(":")[0]
            self.store.set("go", f"{address}:{came[0]['port']}")
            self._complete = True
        elif time.monotonic() > self._deadline:
            raise self._missing(came)

    def _missing(self, came: dict[int, dict[str, Any]]) -> StudyError:
        granted = granted_hosts()
        absent = [rank for rank in range(self.nodes.count) if rank not in came]
        names = [f"{n} ({granted[n]})" if n < len(granted) else str(n) for n in absent]
        there = ", ".join(f"{rank} ({node['host']})" for rank, node in sorted(came.items()))
        what = f"node {', '.join(names)} of {self.nodes.count} did not report within "
        what += f"{self.nodes.timeout:g} s; present: {there or 'none'}"
        fix = "check its state and log: it must reach this address and share this folder"
        return StudyError(what, where=f"rendezvous {self.endpoint}", fix=fix)


def join(endpoint: str, rank: int, gpus: int, port: int, timeout: float) -> str:
    """Reports a node at the rendezvous; returns the address and port of the master (``StudyError``
    if the rendezvous cannot be reached, or not all nodes came)."""
    host, _, number = endpoint.rpartition(":")
    patience = timedelta(seconds=timeout)
    me = f"node {rank} ({node_name()})"
    try:
        store = TCPStore(host, int(number), is_master=False, timeout=patience)
    except (DistError, RuntimeError) as error:
        what = f"the first node does not answer within {timeout:g} s"
        fix = "let compute nodes reach each other over TCP (firewall, host names)"
        raise StudyError(what, where=f"{me}: {endpoint}", fix=fix) from error
    store.set(f"node/{rank}", json.dumps({"host": node_name(), "gpus": gpus, "port": port}))
    try:
        return str(store.get("go").decode())
    except (DistError, RuntimeError) as error:
        what = "the other nodes did not come, training did not start"
        raise StudyError(what, where=me) from error


def node_rank() -> int:
    """Returns which of the nodes this one is, from the launcher's environment (``StudyError`` if no
    known launcher started this program)."""
    for name in RANK_VARIABLES:
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    what = "nothing says which node this is"
    raise StudyError(what, where="environment", fix=f"export {RANK_VARIABLES[0]}=0")


def node_name() -> str:
    """Returns this node's name: the scheduler's, else the host's."""
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def head_address() -> str:
    """Returns the address under which the other nodes reach this one."""
    head = _scontrol("job", os.environ.get("SLURM_JOB_ID", ""), "BatchHost")
    return _scontrol("node", head, "NodeAddr") or head or socket.gethostname()


def granted_hosts() -> list[str]:
    """Returns the names of the allocation's nodes in the order of their ranks, if SLURM knows."""
    listed = _scontrol("job", os.environ.get("SLURM_JOB_ID", ""), "NodeList")
    return _ask("scontrol", "show", "hostnames", listed).split() if listed else []


def _scontrol(kind: str, name: str, field: str) -> str:
    """Returns a field of a job or node; the plugin takes most ``SLURM_*`` away."""
    if not name:
        return ""
    found = re.search(rf"(?:^|\s){field}=(\S+)", _ask("scontrol", "show", kind, name, "-o"))
    return found[1] if found else ""


def _ask(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else ""
