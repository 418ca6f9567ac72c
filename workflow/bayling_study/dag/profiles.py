"""What a Snakemake profile asks for, rule by rule. Only what the plan and the preflight need.
Snakemake's own parser reads the files, so that ``runtime: 8h``, ``mem: 500GB``, lists in place of
mappings and ``config.v9+.yaml`` mean here what they mean to the jobs."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bayling_study.config.yaml_files import read_yaml
from bayling_study.core.errors import StudyError
from bayling_study.core.records import grouped
from bayling_study.core.tables import read_table

COUNTED = re.compile(r"(?:\bn?gpus?|-gpu num)=(\d+)")
"""GPUs in Grid Engine's ``gpu=8`` and LSF's ``-gpu num=8``."""
ODD_RUNTIME = re.compile(r"\bruntime\s*:\s*([\d.]*\d[:.]\d[\d:.]*)\s*(?=$|[,}#])", re.MULTILINE)
"""``1:30:00``, which YAML reads as 5,400, and ``2.5``, which Snakemake reads as seconds."""
_ROWS = read_table(Path(__file__).with_suffix(".tsv"), ("rule", "megabytes", "minutes"))
OWN = {row["rule"]: (int(row["megabytes"]), int(row["minutes"])) for _, row in _ROWS}
"""Megabytes and minutes that a rule itself asks for in its first attempt, and more in later ones.
They come before a profile's ``default-resources``; what it sets for the rule comes before them."""
GRES = re.compile(r"gpu(?::([A-Za-z][\w.-]*))?(?::(\d+))?$")


@dataclass(frozen=True)
class ResourceRequest:
    """What a job asks of the scheduler in one attempt; empty or 0 is what the profile leaves open.
    GPUs are of the whole job, cores of a task, memory of a node; ``minutes`` is the time limit."""

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
        return request(self._read, rule, attempt)

    def requests(self, rules: Iterable[str]) -> dict[ResourceRequest, list[str]]:
        """Returns the different requests of some rules, each with its rules."""
        return grouped(rules, self.request)

    def marks(self, resource: str) -> bool:
        """Tells whether every job has a resource."""
        return resource in self._read["defaults"]

    @cached_property
    def _read(self) -> dict[str, Any]:
        """Returns resources of all rules, of single ones, and threads, as Snakemake has them."""
        from snakemake.cli import parse_set_resources, parse_set_threads
        from snakemake.profiles import ProfileConfigFileParser
        from snakemake.resources import Resources

        text = io.StringIO(yaml.safe_dump(dict(self.values)))
        text.name = str(self.folder / "config.yaml")
        listed = ProfileConfigFileParser().parse(text)
        defaults = listed.get("default-resources", [])
        try:
            return {
                "defaults": Resources.parse(defaults, allow_expressions=True),
                "rules": parse_set_resources(listed.get("set-resources")),
                "threads": parse_set_threads(listed.get("set-threads")),
            }
        except Exception as error:  # of many kinds, each with a text for people
            raise StudyError(f"Snakemake cannot read it: {error}", where=self.folder) from error


def request(read: Mapping[str, Any], rule: str, attempt: int = 1) -> ResourceRequest:
    """Returns what the jobs of a rule ask for in an attempt, the first being 1. ``read`` are
    Snakemake's resources: ``defaults``, those of ``rules``, and their ``threads``."""
    named = read["rules"].get(rule, {})
    asked = {**read["defaults"], **named}
    cores = int(_value(read["threads"].get(rule), 1, attempt) or 1)
    found = {name: _value(value, cores, attempt) for name, value in asked.items()}
    for resource, amount in zip(("mem_mb", "runtime"), OWN.get(rule, ()), strict=False):
        if resource not in named:
            found[resource] = amount * attempt
    words = COUNTED.search(f"{found.get('sge_resources') or ''} {found.get('lsf_extra') or ''}")
    gpus = int(found.get("gpu") or found.get("request_gpus") or (words[1] if words else 0))
    kind = str(found.get("gpu_model") or "")
    nodes = int(found.get("nodes") or 1)
    if gres := GRES.match(str(found.get("gres") or "")):
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


def running_request(settings: Any, rule: str) -> ResourceRequest:
    """Returns what a rule's jobs ask for under the resource settings of a running Snakemake."""
    from snakemake.resources import Resources

    rules = settings.overwrite_resources.items()
    read = {
        "defaults": Resources.from_mapping(settings.default_resources or {}),
        "rules": {name: Resources.from_mapping(values) for name, values in rules},
        "threads": {},
    }
    return request(read, rule)


def read_profile(folder: Path) -> Profile:
    """Reads a profile's folder (``StudyError`` if it holds none)."""
    from snakemake.cli import get_profile_dir

    if not (folder.is_dir() and (found := get_profile_dir(str(folder)))):
        what = "there is no profile in this folder"
        raise StudyError(what, where=folder, fix="config/profiles/slurm")
    path, text = found[1], found[1].read_text(encoding="utf-8")
    if odd := ODD_RUNTIME.search(text):
        line = text.count("\n", 0, odd.start()) + 1
        what = f"runtime: {odd[1]} is no number of minutes to Snakemake"
        raise StudyError(what, where=f"{path}:{line}", fix="runtime: 90, or: runtime: 1.5h")
    values = read_yaml(path, yaml.SafeLoader)
    return Profile(folder, str(values.get("executor") or "local"), values)


def _value(resource: Any, threads: int, attempt: int) -> Any:
    """Returns a resource as an attempt has it; none where that depends on a job's input."""
    if resource is None:
        return None
    job: dict[str, Any] = {"wildcards": None, "input": [], "rulename": "", "async_run": None}
    try:
        return resource.evaluate(**job, attempt=attempt, threads=threads).value
    except Exception:  # an expression of the input or of wildcards, which no plan knows
        return None
