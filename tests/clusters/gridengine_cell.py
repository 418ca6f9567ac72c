"""A private Grid Engine on one machine: a master, two hosts, three queues, GPUs that are counted.

Debian's packages are unpacked into a folder and laid over ``/usr`` in a namespace of its own
(``slurm.cluster.enter``), so that nothing is installed and nothing stays. An execution daemon
answers at one port of its host: each host here has its own network, host name and processes, and
"the host goes down" ends whatever ran on it, as on a real one.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

from clusters.tools import output, run, wait

HOSTS = {"n1": "10.99.0.2", "n2": "10.99.0.3"}
HOST, MASTER = "login", "10.99.0.1"
GPUS = 8
PACKAGES = ("master", "exec", "client", "common")
LIBRARY = "libjemalloc2"
PROGRAMS = Path("/usr/lib/gridengine")
SHARED = Path("/usr/share/gridengine")

BOOTSTRAP = """\
admin_user none
default_domain none
ignore_fqdn false
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {folder}/database
binary_path /usr/sbin
qmaster_spool_dir {folder}/spool
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
CHANGED = {
    "execd_spool_dir": "{folder}/execd",
    "min_uid": "0",
    "min_gid": "0",
    "mailer": "/bin/true",
    "load_report_time": "00:00:03",
    "max_unheard": "00:00:15",
    "reschedule_unknown": "00:00:05",
    "reporting_params": "accounting=true reporting=false flush_time=00:00:01 joblog=false "
    "sharelog=00:00:00",
}
"""What differs from Debian's configuration: quicker, and root may have jobs."""
COMPLEXES = """\
gpu gpu INT <= YES JOB 0 0
tmem tmem MEMORY <= YES YES 0 0
tscratch tscratch MEMORY <= YES YES 0 0
"""
"""GPUs are counted by the job, not by the slot; the last two are what the plugin asks for."""
ENVIRONMENT = "pe_name smp\nslots 999\nuser_lists NONE\nxuser_lists NONE\n"
ENVIRONMENT += "start_proc_args NONE\nstop_proc_args NONE\nallocation_rule $pe_slots\n"
ENVIRONMENT += "control_slaves FALSE\njob_is_first_task TRUE\nurgency_slots min\n"
ENVIRONMENT += "accounting_summary FALSE\nqsort_args NONE\n"
HOLDS = "hostname {host}\nload_scaling NONE\nuser_lists NONE\nxuser_lists NONE\nprojects NONE\n"
HOLDS += "xprojects NONE\nusage_scaling NONE\nreport_variables NONE\n"
HOLDS += "complex_values gpu={gpus},h_vmem=600G,tmem=600G,tscratch=600G\n"
QUEUES = {
    "all.q": {},
    "gpu.q": {},
    "urgent.q": {"subordinate_list": "gpu.q=1", "seq_no": "1"},
}
"""A job in ``urgent.q`` suspends those of ``gpu.q`` on its host."""


class Cell:
    """The daemons and the hosts, inside the namespaces that ``slurm.cluster.enter`` makes.

    Args:
        folder: for programs, configuration and logs; must not exist.
        packages: the folder that ``fetch`` filled.
    """

    def __init__(self, folder: Path, packages: Path) -> None:
        self.folder, self.packages = folder, packages
        self.hosts: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Starts everything; returns when both hosts report their load."""
        self.folder.mkdir(parents=True)
        self._unpack()
        self._network()
        self._cell()
        self._daemon("sge_qmaster")
        wait(lambda: "login" in output("qconf", "-sh"), "the master", 60)
        run("qconf", "-as", HOST)
        run("qconf", "-ah", ",".join(HOSTS))
        self._counted()
        for name in HOSTS:
            self.up(name)
        wait(lambda: len(re.findall(r"^n\d .*\d\.\d\d", output("qhost"), re.M)) == 2, "hosts", 90)

    def up(self, name: str) -> None:
        """Starts a host's daemon, the first of its processes."""
        own = ["unshare", "--uts", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]
        script = f'hostname {name}; exec "{PROGRAMS}/sge_execd"'
        self.hosts[name] = self._daemon("ip", "netns", "exec", name, *own, "sh", "-c", script)

    def down(self, name: str) -> None:
        """Pulls a host's plug: all that runs on it is gone at once."""
        process = self.hosts.pop(name)
        process.kill()
        process.wait()

    def _unpack(self) -> None:
        """Unpacks the packages, and lays them over ``/usr``."""
        tree = self.folder / "tree"
        for package in self.packages.glob("*.deb"):
            run("dpkg-deb", "-x", str(package), str(tree))
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={tree}/usr:/usr", "/usr")

    def _network(self) -> None:
        """Makes a network of three hosts that reaches nothing else."""
        socket.sethostname(HOST)
        known = "".join(f"{address} {name}\n" for name, address in HOSTS.items())
        names = self.folder / "hosts"
        names.write_text(f"127.0.0.1 localhost\n{MASTER} {HOST}\n{known}")
        run("mount", "--bind", str(names), "/etc/hosts")
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        ip = lambda *words: run("ip", *words)  # noqa: E731
        ip("link", "set", "lo", "up")
        ip("link", "add", "bridge", "type", "bridge")
        ip("address", "add", f"{MASTER}/24", "dev", "bridge")
        ip("link", "set", "bridge", "up")
        for name, address in HOSTS.items():
            ip("netns", "add", name)
            ip("link", "add", f"to-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"to-{name}", "master", "bridge", "up")
            ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")

    def _cell(self) -> None:
        """Writes the cell as Debian's ``init_cluster`` does."""
        root, common = self.folder / "root", self.folder / "root" / "default" / "common"
        for path in (common, *(self.folder / name for name in ("database", "execd"))):
            path.mkdir(parents=True)
        (self.folder / "spool" / "job_scripts").mkdir(parents=True)
        for name in ("util", "mpi"):
            (root / name).symlink_to(SHARED / name)
        (common / "bootstrap").write_text(BOOTSTRAP.format(folder=self.folder))
        (common / "act_qmaster").write_text(f"{HOST}\n")
        os.environ |= {"SGE_ROOT": str(root), "SGE_CELL": "default"}
        os.environ |= {"SGE_QMASTER_PORT": "6444", "SGE_EXECD_PORT": "6445", "SGE_ND": "1"}
        standard = (SHARED / "default-configuration").read_text()
        changed = {key: value.format(folder=self.folder) for key, value in CHANGED.items()}
        tool = str(PROGRAMS / "spooldefaults")
        run(
            str(PROGRAMS / "spoolinit"),
            "berkeleydb",
            "libspoolb",
            f"{self.folder}/database",
            "init",
        )
        run(tool, "configuration", self._written("configuration", edited(standard, changed)))
        run(tool, "complexes", str(SHARED / "util/resources/centry"))
        run(tool, "usersets", str(SHARED / "util/resources/usersets"))
        run(tool, "managers", "root")

    def _counted(self) -> None:
        """Tells the master what there is: hosts with GPUs and memory, queues, an environment."""
        memory = r"^(h_vmem .*<= +YES +)NO( +)0"
        known = re.sub(memory, r"\1YES\g<2>2G", output("qconf", "-sc"), flags=re.M)
        run("qconf", "-Mc", self._written("complexes", known + COMPLEXES))
        run("qconf", "-Ap", self._written("environment", ENVIRONMENT))
        for host in HOSTS:
            run("qconf", "-Ae", self._written(host, HOLDS.format(host=host, gpus=GPUS)))
        pace = {"schedule_interval": "0:0:2", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        run("qconf", "-Msconf", self._written("pace", edited(output("qconf", "-ssconf"), pace)))
        common = {"hostlist": " ".join(HOSTS), "slots": "64", "pe_list": "smp", "rerun": "FALSE"}
        common |= {"shell": "/bin/bash", "load_thresholds": "NONE"}
        for name, more in QUEUES.items():
            values = {"qname": name, **common, **more}
            text = edited(output("qconf", "-sq"), values)
            run("qconf", "-Aq", self._written(name, text))

    def _written(self, name: str, text: str) -> str:
        path = self.folder / f"{name}.conf"
        path.write_text(text)
        return str(path)

    def _daemon(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a daemon that does not hold the test's own output open."""
        path = PROGRAMS / program
        command = [str(path) if path.exists() else program, *arguments]
        with open(self.folder / "daemons.out", "ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )


def fetch(folder: Path) -> None:
    """Fetches the packages, while there is a network."""
    names = [*(f"gridengine-{part}" for part in PACKAGES), LIBRARY]
    quiet = ["-qq", "-o", "APT::Sandbox::User=root"]
    subprocess.run(["apt-get", *quiet, "download", *names], cwd=folder, check=True)


def edited(text: str, values: dict[str, str]) -> str:
    """Returns a list of ``key value`` lines with other values."""
    for key, value in values.items():
        text = re.sub(rf"^{key}\s+.*$", lambda _, k=key, v=value: f"{k} {v}", text, flags=re.M)
    return text
