"""The miniature study with the shipped Grid Engine profile, and what the queue says of its jobs."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml
from slurm.study import Study

from gridengine.cluster import GPUS
from helpers import ROOT
from slurm.cluster import output, wait

THREADS = 2
TRAINING = ["--set-resources", "tuning:processes=1", "--set-threads", f"tuning={THREADS}"]


class GridStudy(Study):
    """The study of the SLURM test, sent to Grid Engine instead."""

    def profile(self, name: str, **resources: dict[str, Any]) -> Path:
        """Writes the shipped profile with fewer cores, quicker looks and some resources."""
        shipped = ROOT / "config" / "profiles" / "sge" / "config.yaml"
        values = yaml.safe_load(shipped.read_text())
        values["set-resources"]["tuning"] |= {"processes": 1, "sge_resources": f"gpu={GPUS}"}
        for rule, changes in resources.items():
            values["set-resources"].setdefault(rule, {}).update(changes)
        values |= {"set-threads": {"tuning": THREADS}, "latency-wait": 20}
        values |= {"sge-init-seconds-before-status-checks": 2, "seconds-between-status-checks": 2}
        path = self.folder / f"profile-{name}"
        path.mkdir(exist_ok=True)
        (path / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        return path

    def local(self) -> None:
        """Runs the study on this machine, undisturbed."""
        assert self.start("undisturbed", "--cores", "2", *TRAINING).wait() == 0


@dataclass(frozen=True)
class Ended:
    """One line of the accounting: a job, or one start of a job that was started twice."""

    number: str
    rule: str
    host: str
    slots: int
    failed: str
    status: int
    asked: str


def jobs(rule: str, state: str = "r") -> list[str]:
    """Returns the numbers of a rule's jobs whose state holds some letters, the newest first."""
    tree = ElementTree.fromstring(output("qstat", "-xml", "-u", "*"))
    found = []
    for entry in tree.iter("job_list"):
        text = {part.tag: part.text or "" for part in entry}
        if text["JB_name"].startswith(f"{rule}_") and state in text["state"]:
            found.append(text["JB_job_number"])
    return sorted(found, key=int, reverse=True)


def await_job(rule: str, state: str = "r") -> str:
    """Waits for a rule's job; returns its number."""
    wait(lambda: jobs(rule, state), f"a job of rule {rule} in state {state}", 300)
    return jobs(rule, state)[0]


def host_of(rule: str) -> str:
    """Returns the host on which a rule's job runs."""
    tree = ElementTree.fromstring(output("qstat", "-xml", "-u", "*"))
    entries = [{part.tag: part.text or "" for part in e} for e in tree.iter("job_list")]
    places = [e["queue_name"] for e in entries if e["JB_name"].startswith(f"{rule}_")]
    return next((place.partition("@")[2] for place in places if place), "")


def accounted() -> list[Ended]:
    """Returns all jobs that have ended, in that order."""
    done = subprocess.run(["qacct", "-j"], capture_output=True, text=True)
    found = []
    for block in re.split(r"^={10,}$", done.stdout, flags=re.M)[1:]:
        rows = (line.split(None, 1) for line in block.strip().splitlines())
        of = {row[0]: row[1].strip() if len(row) > 1 else "" for row in rows}
        name, place = of["jobname"].rpartition("_")[0], of["hostname"]
        status, slots = int(of["exit_status"].split()[0]), int(of["slots"])
        found.append(
            Ended(of["jobnumber"], name, place, slots, of["failed"], status, of.get("category", ""))
        )
    return found
