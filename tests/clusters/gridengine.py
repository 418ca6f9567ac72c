"""Runs the miniature study on a private Grid Engine: ``make test-gridengine``.

Needs Linux, root, and Debian 12's package archive. Nothing is installed: packages and plugin are
unpacked into a temporary folder, daemons and jobs live in namespaces of their own and end with
this program. Prints one line a point and, last, how many passed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import psutil

from clusters import scenes
from clusters.gridengine_cell import GPUS, Cell, fetch
from clusters.study import Study
from clusters.table import Table
from clusters.tools import output, wait
from slurm.cluster import MARK, enter

PLUGIN = "snakemake-executor-plugin-sge==0.6.31"
FOLDER = "BAYLING_GRIDENGINE_FOLDER"
THREADS = 2
EPOCHS = 60  # as long as the plugin takes to see that a job has ended: up to three minutes
LOCAL = ("--set-resources", "tuning:processes=1", "--set-threads", f"tuning={THREADS}")
PROBE = ("MLFLOW_PROBE", "a value with spaces")
SILENT = ("-b", "y", "-o", "/dev/null", "-j", "y", "-l", "h_vmem=100M")


class GridEngine:
    """The cell; ``scenes.Pool`` says what its parts are for."""

    name = "sge"
    quick = {
        "set-threads": {"tuning": THREADS},
        "sge-init-seconds-before-status-checks": 2,
        "seconds-between-status-checks": 2,
    }
    # Python alone maps more than 100 MB; synthesis takes longer than five seconds.
    short = {
        "corpora": {"mem_mb": "100 if attempt == 1 else 4000"},
        "synthesis": {"sge_resources": "'h_rt=5' if attempt == 1 else 'h_rt=3600'"},
    }
    retried = {"corpora": "h_vmem=100M", "synthesis": "h_rt=5"}

    def __init__(self, folder: Path, table: Table) -> None:
        self.cell, self.table = Cell(folder / "cell", folder / "packages"), table

    def start(self) -> None:
        """Starts all daemons; returns when both hosts report their load."""
        self.cell.start()

    def running(self, rule: str) -> str:
        """Returns the number of a rule's job that runs; empty without one."""
        found = [job for job in queue() if job["JB_name"].startswith(f"{rule}_")]
        return next((job["JB_job_number"] for job in found if job["state"] in ("r", "Rr")), "")

    def strangers(self, folder: Path) -> list[str]:
        """Sends jobs of another study from this folder and of this study from another one."""
        numbers = []
        for where, study in ((folder, "tiny2"), (folder.parent, "tiny")):
            ask = ["qsub", "-terse", *SILENT, "-ac", f"bayling_study={study}", "sleep", "3600"]
            told = subprocess.run(ask, cwd=where, capture_output=True, text=True, check=True)
            numbers.append(told.stdout.strip())
        return numbers

    def alive(self, number: str) -> bool:
        """Tells whether a job is in the queue."""
        return number in (job["JB_job_number"] for job in queue())

    def preempt(self, number: str) -> None:
        """An urgent job takes the host: Grid Engine signals, waits a minute, and suspends."""
        told(self.table)
        output("qsub", "-q", f"urgent.q@{host_of(number)}", *SILENT, "sleep", "20")
        wait(lambda: self.running("tuning") != number, "preemption", 300)

    def fail(self, number: str) -> None:
        """Kills a host's daemon with all that runs on it; it comes back later."""
        broken = host_of(number)
        self.cell.down(broken)
        wait(lambda: host_of(number) not in ("", broken), "the other host", 300)
        self.cell.up(broken)

    def history(self) -> list[scenes.PastJob]:
        """Returns all starts of jobs that have ended, in the order of submission."""
        return sorted(map(past, accounted()), key=lambda job: job.sent)


def queue() -> list[dict[str, str]]:
    """Returns all jobs in the queue, as qstat describes them."""
    tree = ElementTree.fromstring(output("qstat", "-xml", "-u", "*"))
    return [{part.tag: part.text or "" for part in entry} for entry in tree.iter("job_list")]


def host_of(number: str) -> str:
    """Returns the host on which a job runs; empty while it waits."""
    places = [job.get("queue_name", "") for job in queue() if job["JB_job_number"] == number]
    return places[0].partition("@")[2] if places else ""


def accounted() -> list[dict[str, str]]:
    """Returns the accounting's entries of the study's jobs: one for each start of each job."""
    blocks = re.split(r"^={10,}$", output("qacct", "-j"), flags=re.MULTILINE)[1:]
    lines = [[line.split(None, 1) for line in block.strip().splitlines()] for block in blocks]
    rows = [{row[0]: row[1].strip() if len(row) > 1 else "" for row in block} for block in lines]
    return [row for row in rows if "_" in row.get("jobname", "")]  # the last is a sum


def past(row: dict[str, str]) -> scenes.PastJob:
    """Returns an entry of the accounting as the scenes know it."""
    asked = row.get("category", "")
    limits = " ".join(re.findall(r"h_(?:vmem|rt)=\w+", asked))
    how = f"status {row['exit_status'].split()[0]}, failed {row['failed'].split()[0]}"
    return scenes.PastJob(
        rule=row["jobname"].rpartition("_")[0],
        end=f"{row['hostname']}, {how} ({limits})",
        asked=f"{row['slots']} slots, {asked}",
        sent=seconds(row["qsub_time"]),
        gone=seconds(row["end_time"]),
    )


def seconds(text: str) -> float:
    """Returns a date of qacct as Unix time; 0 of ``-/-``: that start of a job never came so far."""
    if text == "-/-":
        return 0.0
    return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").timestamp()


def counted(table: Table) -> None:
    """Asks for all GPUs three times, and for more than there are."""
    with table.point("GPUs are counted: a third job waits for cards, too many never start"):
        ask = ["qsub", "-terse", "-q", "gpu.q", *SILENT]
        numbers = [output(*ask, "-l", f"gpu={GPUS}", "sleep", "60").strip() for _ in range(3)]
        wait(lambda: output("qstat").count(" r ") == 2, "two jobs", 60)
        time.sleep(5)
        assert output("qstat").count(" qw ") == 1, output("qstat")
        told = output("qsub", "-w", "v", *ask[1:], "-l", f"gpu={GPUS + 1}", "sleep", "60")
        output("qdel", *numbers)
        assert "no suitable queues" in told, told
        wait(lambda: not output("qstat").strip(), "an empty queue", 60)


def told(table: Table) -> None:
    """Looks at the environment of the training."""
    with table.point("the environment of the shell reaches the jobs"):
        known = psutil.process_iter(["cmdline"])
        jobs = [p for p in known if scenes.TRAINING in (p.info["cmdline"] or [])]
        assert jobs and all(p.environ().get(PROBE[0]) == PROBE[1] for p in jobs), jobs


def reserved(table: Table) -> None:
    """Compares what the accounting has with what the profile asks for."""
    with table.point("jobs reserve the threads, memory and GPUs asked for"):
        trained = [row for row in accounted() if row["jobname"].startswith("tuning_")]
        assert {row["slots"] for row in trained} == {str(THREADS)}, trained
        first = trained[0]["category"]
        assert f"gpu={GPUS}," in first and "h_vmem=125G" in first, first  # 256000 M by the slot
        table.note(first)


def prepare(folder: Path) -> None:
    """Fetches the packages and the plugin, while there is a network."""
    packages = folder / "packages"
    packages.mkdir(parents=True)
    fetch(packages)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--target", str(folder / "plugin"), PLUGIN], check=True)


def play(folder: Path) -> int:
    """Plays the scenes of all schedulers, and Grid Engine's own; returns 0 if all were shown."""
    scenes.package_path()
    os.environ["PYTHONPATH"] += f"{os.pathsep}{folder / 'plugin'}"
    os.environ[PROBE[0]] = PROBE[1]
    begin = time.monotonic()
    table = Table(folder)
    pool = GridEngine(folder, table)
    with table.point("a Grid Engine of two hosts, with accounting and counted GPUs, starts"):
        pool.start()
    counted(table)
    study = Study(folder / "study", pool.name, pool.quick, EPOCHS)
    assert study.start("undisturbed", "--cores", "2", *LOCAL).wait() == 0
    reference = study.hashes()
    print(f"undisturbed, on this machine: {len(reference)} files", flush=True)
    study.forget_results()
    scenes.checked(pool, study, table)
    scenes.disturbed(pool, study, table, reference)
    reserved(table)
    rows = [f"{job.rule:14} {job.end:60} {job.asked}" for job in pool.history()]
    table.show("jobs in the order of submission", "\n".join(rows))
    print(f"{time.monotonic() - begin:.0f} s in all")
    return table.end()


def main() -> int:
    """Starts the cell, plays the scenes, returns 0 if every point was shown."""
    parser = argparse.ArgumentParser(prog="python -m clusters.gridengine", description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for everything; default: removed")
    options = parser.parse_args()
    if os.geteuid() or not shutil.which("apt-get"):
        sys.exit("error: namespaces need root, and the packages are Debian's")
    if not os.environ.get(MARK):
        folder = options.keep or Path(tempfile.mkdtemp(prefix="bayling-gridengine-"))
        os.environ[FOLDER] = str(folder.resolve())
        prepare(folder.resolve())
    enter()
    folder = Path(os.environ[FOLDER])
    try:
        return play(folder)
    finally:
        if options.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
