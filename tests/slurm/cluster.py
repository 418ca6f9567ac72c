"""A private SLURM cluster on loopback: munge, slurmctld, slurmdbd with MariaDB, two nodes.

Everything runs in namespaces of its own (``enter``): mounts, so that ``/etc/slurm``
and ``/etc/hosts`` of the machine stay untouched; network, so that no job can
reach anything outside; processes, so that all ends when the test ends; host
name, so that the name resolves without a network. Debian's slurmd runs several
nodes on one host (``-N``); each is the first process of a namespace, so that
"the node goes down" ends whatever ran on it, as on a real node.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from clusters.tools import loopback, output, read, run, wait

NODES = ("n1", "n2")
GPUS = 8  # devices a node: null devices, scheduled and counted like any
PORT = 17827
HOST = "login"
MARK = "BAYLING_SLURM_NAMESPACE"

SLURM_CONF = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmctldPort=17817
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_interval=5
KillWait=3
MinJobAge=300
SlurmctldTimeout=30
SlurmdTimeout=30
DefMemPerCPU=500
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=17819
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
NodeName=DEFAULT CPUs=64 RealMemory=600000 Gres=gpu:toy:{gpus}
NodeName=n[1-2] NodeAddr=127.0.0.1 Port=[{port}-{last}]
PartitionName=cpu Nodes=n[1-2] Default=YES State=UP PriorityTier=1
PartitionName=gpu Nodes=n[1-2] State=UP PriorityTier=1
PartitionName=urgent Nodes=n[1-2] State=UP PriorityTier=10 PreemptMode=off
"""
DBD_CONF = """\
DbdHost=localhost
DbdPort=17819
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
"""


def enter() -> None:
    """Starts this program again inside namespaces of its own; returns there."""
    if os.environ.get(MARK):
        return
    unshare = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child"]
    command = [*unshare, "--mount-proc", sys.executable, *sys.orig_argv[1:]]
    os.environ[MARK] = "1"
    os.execvp(command[0], command)


class Cluster:
    """The daemons and the nodes. Use it inside the namespaces that ``enter`` makes.

    Args:
        folder: for configuration, logs and sockets; must not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Starts everything; returns when both nodes are idle."""
        self.folder.mkdir(parents=True)
        private_machine(self.folder)
        self._devices()
        self._configure()
        self._munge()
        self._database()
        self._daemon("slurmctld", "-D")
        for name in NODES:
            self.up(name)
        wait(lambda: output("scontrol", "show", "node", "-o").count("State=IDLE ") == 2, "nodes")

    def up(self, name: str) -> None:
        """Starts a node."""
        node = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.nodes[name] = self._daemon(*node, "slurmd", "-D", "-N", name)

    def down(self, name: str) -> None:
        """Pulls a node's plug: all that runs on it is gone at once."""
        self.nodes.pop(name).kill()
        output("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test")

    def resume(self, name: str) -> None:
        """Brings a drained node, or one that is up again, back into service."""
        output("scontrol", "update", f"NodeName={name}", "State=RESUME")

    def _devices(self) -> None:
        for number in range(GPUS):
            os.mknod(self.folder / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))

    def _configure(self) -> None:
        values = {"folder": self.folder, "host": HOST, "port": PORT, "last": PORT + 1}
        for name in ("state", *(f"spool.{node}" for node in NODES)):
            (self.folder / name).mkdir()
        write = {
            "slurm.conf": SLURM_CONF.format(**values, gpus=GPUS),
            "slurmdbd.conf": DBD_CONF.format(**values),
            "gres.conf": f"Name=gpu Type=toy File={self.folder}/gpu[0-{GPUS - 1}]\n",
        }
        for name, text in write.items():
            path = Path("/etc/slurm") / name
            path.write_text(text)
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)

    def _munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        parts = {"socket": "socket", "key-file": "key", "pid-file": "pid", "seed-file": "seed"}
        files = [f"--{option}={self.folder}/munge.{end}" for option, end in parts.items()]
        files.append(f"--log-file={self.folder}/munge.log")
        self._daemon("munged", "--force", "--foreground", *files)
        wait((self.folder / "munge.socket").exists, "munge")

    def _database(self) -> None:
        data, where = self.folder / "mysql", self.folder / "mysql.socket"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        install = ["mariadb-install-db", "--user=root", "--skip-test-db"]
        subprocess.run([*install, f"--datadir={data}"], check=True, **quiet)
        options = [f"--datadir={data}", f"--socket={where}", "--skip-networking", "--user=root"]
        self._daemon("mariadbd", "--no-defaults", *options)
        wait(where.exists, "the database")
        os.environ["MYSQL_UNIX_PORT"] = str(where)
        self._daemon("slurmdbd", "-D")
        wait(lambda: "slurmdbd version" in read(self.folder / "slurmdbd.log"), "slurmdbd")

    def _daemon(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts a daemon that does not hold the test's own output open."""
        log = open(self.folder / "daemons.out", "ab")  # noqa: SIM115
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def private_machine(folder: Path) -> None:
    """Gives the namespaces their own host name, ``/etc/hosts``, ``/etc/slurm`` and loopback."""
    socket.sethostname(HOST)
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {HOST} {' '.join(NODES)}\n")
    run("mount", "--bind", str(hosts), "/etc/hosts")
    run("mount", "-t", "tmpfs", "tmpfs", "/etc/slurm")
    loopback()
