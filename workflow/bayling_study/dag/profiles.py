"""What a Snakemake profile asks for, rule by rule.

Only what the plan and the preflight need: the executor, and for each rule the
partition, account, GPUs, nodes, cores, memory and time of an attempt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bayling_study.config.yaml_files import read_yaml
from bayling_study.core.errors import StudyError

NAMES = ("profile.yaml", "config.yaml", "config.v8+.yaml", "profile.v9+.yaml")
COUNTED = re.compile(r"(?:\bn?gpus?|-gpu num)=(\d+)")
"""GPUs in Grid Engine's ``gpu=8`` and LSF's ``-gpu num=8``."""
GRES = re.compile(r"gpu(?::([A-Za-z][\w.-]*))?(?::(\d+))?$")


@dataclass(frozen=True)
class ResourceRequest:
    """What a job asks of the scheduler in one attempt; empty or 0 is what the profile leaves open.

    GPUs are of the whole job, cores of a task, memory of a node; ``minutes`` is the time limit.
    """

    partition: str = ""
    account: str = ""
    gpus: int = 0
    gpu_type: str = ""
    per_node: bool = False
    """The GPUs are asked for on each node (``gres``), not for the job (``gpu``)."""
    nodes: int = 1
    cores: int = 1
    mem_mb: int = 0
    minutes: int = 0


@dataclass(frozen=True)
class Profile:
    """A profile: its folder, the name of its executor plugin (or ``local``), and all its keys."""

    folder: Path
    executor: str
    values: Mapping[str, Any]

    def request(self, rule: str, attempt: int = 1) -> ResourceRequest:
        """Returns what the jobs of a rule ask for in an attempt."""
        asked = {**self._part("default-resources"), **self._part("set-resources").get(rule, {})}
        cores = int(self._part("set-threads").get(rule, 1))
        found = {name: evaluate(value, cores, attempt) for name, value in asked.items()}
        gpus, kind = _gpus(found), str(found.get("gpu_model") or "")
        nodes = int(found.get("nodes") or 1)
        gres = GRES.match(str(found.get("gres") or ""))
        if gres:
            gpus, kind = int(gres[2] or 1) * nodes, gres[1] or ""
        return ResourceRequest(
            partition=str(found.get("slurm_partition") or ""),
            account=str(found.get("slurm_account") or ""),
            gpus=gpus,
            gpu_type=kind,
            per_node=bool(gres),
            nodes=nodes,
            cores=int(found.get("cpus_per_task") or cores),
            mem_mb=int(found.get("htcondor_request_mem_mb") or found.get("mem_mb") or 0),
            minutes=int(found.get("runtime") or 0),
        )

    def requests(self, rules: Iterable[str]) -> dict[ResourceRequest, list[str]]:
        """Returns the different requests of some rules, each with its rules."""
        found: dict[ResourceRequest, list[str]] = {}
        for rule in rules:
            found.setdefault(self.request(rule), []).append(rule)
        return found

    def _part(self, key: str) -> dict[str, Any]:
        found = self.values.get(key) or {}
        if isinstance(found, Mapping):
            return dict(found)
        return dict(item.split("=", 1) for item in found)  # Snakemake's other form, a list


def read_profile(folder: Path) -> Profile:
    """Reads a profile's folder.

    Raises:
        StudyError: it holds no profile.
    """
    path = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if path is None:
        what = "there is no profile in this folder"
        raise StudyError(what, where=folder, fix="config/profiles/slurm")
    values = read_yaml(path, yaml.SafeLoader)
    return Profile(folder, str(values.get("executor") or "local"), values)


def _gpus(found: Mapping[str, Any]) -> int:
    """Returns the GPUs by the name that each executor plugin has for them."""
    plain = found.get("gpu") or found.get("request_gpus")
    if plain:
        return int(plain)
    words = f"{found.get('sge_resources') or ''} {found.get('lsf_extra') or ''}"
    counted = COUNTED.search(words)
    return int(counted[1]) if counted else 0


def evaluate(value: Any, threads: int, attempt: int = 1) -> Any:
    """Returns a resource as an attempt has it; ``8000 * attempt`` becomes 8000 in the first.

    Snakemake itself evaluates such strings as Python; what is no expression is a word.
    """
    if not isinstance(value, str):
        return value
    names = {"attempt": attempt, "threads": threads, "min": min, "max": max}
    try:
        return eval(value, {"__builtins__": {}}, names)
    except Exception:  # a word such as a partition's name, or an expression of a job's input
        return int(value) if value.isdigit() else value
