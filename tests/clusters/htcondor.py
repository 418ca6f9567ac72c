"""Runs the miniature study on a private HTCondor pool: ``make test-htcondor``.

Needs Linux, root and mmdebstrap (or a tree of Debian sid with ``condor``: ``--tree``, or the
variable TREE of ``make``). The pool of one machine, whose GPUs are pretended, lives in
namespaces of its own and ends with this program. Prints one line a point and, last, how many
passed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from clusters import scenes, tree
from clusters.tools import output, read, wait
from helpers import ROOT

MARK = "BaylingStudy"
WRAPPER = ROOT / "config" / "profiles" / "htcondor" / "job.sh"

PLUGINS = ("snakemake-executor-plugin-htcondor==0.3.0", "htcondor==25.14.1")
GPUS = 8
FOLDER = tree.HOME / "pool"
WORK = tree.HOME / "work"
EVENTS = WORK / "study" / "results" / "logs" / "htcondor" / "snakemake-rules.log"
CONFIG = """\
use POLICY : HOLD_IF_MEMORY_EXCEEDED
CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
LOCAL_DIR = {folder}
RELEASE_DIR = /usr
LIB = /usr/lib/condor
LIBEXEC = /usr/libexec/condor
SBIN = /usr/sbin
BIN = /usr/bin
LOG = $(LOCAL_DIR)/log
SPOOL = $(LOCAL_DIR)/spool
EXECUTE = $(LOCAL_DIR)/execute
LOCK = $(LOCAL_DIR)/lock
RUN = $(LOCAL_DIR)/run
LOCAL_CONFIG_FILE = {folder}/owner
DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD
USE_SHARED_PORT = False
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_NEGOTIATOR = *
ALLOW_ADMINISTRATOR = *
SEC_DEFAULT_AUTHENTICATION = OPTIONAL
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, CLAIMTOBE
SEC_CLIENT_AUTHENTICATION_METHODS = FS, CLAIMTOBE
UID_DOMAIN = local
FILESYSTEM_DOMAIN = local
START = $(OWNER_BACK) == False
PREEMPT = ($(PREEMPT)) || $(OWNER_BACK)
WANT_SUSPEND = False
NUM_CPUS = 64
MEMORY = 600000
MODIFY_REQUEST_EXPR_REQUESTMEMORY = RequestMemory
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = TRUE
NUM_SLOTS_TYPE_1 = 1
MACHINE_RESOURCE_GPUs = {gpus}
NEGOTIATOR_INTERVAL = 5
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
UPDATE_INTERVAL = 10
POLLING_INTERVAL = 2
SCHEDD_INTERVAL = 5
PERIODIC_EXPR_INTERVAL = 5
STARTER_UPDATE_INTERVAL = 2
STARTER_INITIAL_UPDATE_INTERVAL = 1
STARTER_UPDATE_INTERVAL_TIMESLICE = 0.9
PID_SNAPSHOT_INTERVAL = 1
MASTER_BACKOFF_CONSTANT = 2
"""


class Condor:
    """The pool; ``scenes.Pool`` says what its parts are for."""

    name = "htcondor"
    quick = {
        "htcondor-shared-fs-prefixes": str(tree.HOME),
        "default-resources": {
            "held_seconds": 20,
            "disk_mb": 100,
            # A dead machine is waited for 40 minutes by default.
            "htcondor_submit_job_lease_duration": 45,
        },
    }
    # Corpora take longer than five seconds; synthesis takes more than 100 MB; a node that
    # does not see the wrapper cannot start a job.
    short = {
        "corpora": {"allowed_execute_duration": "5 if attempt == 1 else 3600"},
        "synthesis": {"mem_mb": "100 if attempt == 1 else 4000"},
        "masks": {"job_wrapper": f"'/nowhere' if attempt == 1 else '{WRAPPER}'"},
    }
    retried = {"corpora": "duration", "synthesis": "memory", "masks": "/nowhere"}

    def start(self) -> None:
        """Starts all daemons; returns when the machine is in the pool."""
        for name in ("log", "spool", "execute", "lock", "run"):
            (FOLDER / name).mkdir(parents=True)
        (FOLDER / "condor_config").write_text(CONFIG.format(folder=FOLDER, gpus=GPUS))
        self._owner(back=False)
        os.environ["CONDOR_CONFIG"] = str(FOLDER / "condor_config")
        with open(FOLDER / "log" / "out", "ab") as log:
            subprocess.Popen(["condor_master", "-f"], stdout=log, stderr=log)
        wait(self._machines, "the machine")

    def _machines(self) -> str:
        return output("condor_status", "-autoformat", "Name") if self._answers() else ""

    def _answers(self) -> bool:
        return subprocess.run(["condor_q", "-totals"], capture_output=True).returncode == 0

    def running(self, rule: str) -> str:
        """Returns the number of a rule's job that runs; empty without one."""
        mine = f'JobStatus == 2 && regexp("^{rule}-", JobBatchName)'
        return _query("condor_q", mine, "ClusterId", "ProcId").strip().replace("\t", ".")

    def strangers(self, folder: Path) -> list[str]:
        """Sends jobs of another study from this folder and of this study from another one."""
        lines = "executable = /bin/sleep\narguments = 3600\nrequest_memory = 10\n"
        lines += f'request_disk = 10\ninitialdir = {{}}\n+{MARK} = "{{}}"\nqueue\n'
        numbers = []
        for where, study in ((folder, "tiny2"), (tree.HOME, "tiny")):
            file = FOLDER / f"{study}.sub"
            file.write_text(lines.format(where, study))
            told = output("condor_submit", "-terse", str(file))
            numbers.append(told.split()[0])
        return numbers

    def alive(self, number: str) -> bool:
        """Tells whether a job is in the queue."""
        cluster = number.partition(".")[0]
        return bool(_query("condor_q", f"ClusterId == {cluster}", "ClusterId").strip())

    def preempt(self, number: str) -> None:
        """The machine's owner comes back, and leaves again."""
        self._owner(back=True)
        wait(lambda: self.running("tuning") != number, "preemption")
        self._owner(back=False)

    def fail(self, number: str) -> None:
        """Kills the machine's daemon with all that runs below it; condor_master starts it again."""
        (startd,) = (p for p in psutil.process_iter() if p.name() == "condor_startd")
        for process in (startd, *startd.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # ended with its parent
                process.kill()

    def history(self) -> list[scenes.PastJob]:
        """Returns all jobs that have ended, in the order of submission."""
        rows = json.loads(output("condor_history", "-constraint", MARKED, "-json") or "[]")
        return [_past(row) for row in sorted(rows, key=lambda row: row["ClusterId"])]

    @staticmethod
    def _owner(back: bool) -> None:
        (FOLDER / "owner").write_text(f"OWNER_BACK = {back}\n")
        output("condor_reconfig", "-daemon", "startd")


MARKED = f"{MARK} =!= undefined"
ASKED = {
    "RequestMemory": "MB",
    "RequestDisk": "KB of disk",
    "RequestGPUs": "GPUs",
    "AllowedExecuteDuration": "s",
}


def _past(job: dict[str, Any]) -> scenes.PastJob:
    end = job.get("LastHoldReason") or job.get("HoldReason") or f"exit {job.get('ExitCode')}"
    starts = job.get("NumJobStarts", 0)
    return scenes.PastJob(
        rule=job["JobBatchName"].rpartition("-")[0],
        end=f"{end}, {starts} starts" if starts > 1 else end,
        asked=", ".join(f"{job[name]} {unit}" for name, unit in ASKED.items() if name in job),
        sent=job["QDate"],
        gone=_removed(job["ClusterId"]) or job["CompletionDate"],
    )


def _removed(cluster: int) -> float:
    """Returns when a job was gone that was removed; its history has only when it was held."""
    event = re.search(rf"^009 \(0*{cluster}\.\S+ (\S+ \S+)", read(EVENTS), re.MULTILINE)
    return datetime.fromisoformat(event[1]).timestamp() if event else 0.0


def _query(program: str, constraint: str, *names: str) -> str:
    return output(program, "-constraint", constraint, "-autoformat:t", *names)


def main() -> int:
    """Makes or takes a tree, plays the scenes in it, returns 0 if every point was shown."""
    stage = os.environ.get(tree.STAGE)
    if stage == "mounts":
        tree.furnish()
    if stage == "inside":
        return scenes.play(Condor(), WORK)
    parser = argparse.ArgumentParser(prog="python -m clusters.htcondor", description=__doc__)
    parser.add_argument("--tree", type=Path, help="a tree of Debian sid with condor; not changed")
    parser.add_argument("--keep", type=Path, help="folder for everything; default: removed")
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("error: namespaces need root")
    if options.tree is None and not shutil.which("mmdebstrap"):
        print("skipped: mmdebstrap is not here (apt-get install mmdebstrap), and no TREE is given")
        return 0
    folder = options.keep or Path(tempfile.mkdtemp(prefix="bayling-htcondor-"))
    begin = time.monotonic()
    try:
        made = options.tree or tree.build(folder / "tree", "condor")
        print(f"a tree with condor: {time.monotonic() - begin:.0f} s", flush=True)
        return tree.enter(made, folder, PLUGINS)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
