"""A run as Snakemake's messages tell it: jobs that wait, run and have ended, and the time left."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from bayling_study.commands.running.costs import MODELS, Costs
from bayling_study.commands.running.estimate import Estimate, Running
from bayling_study.commands.running.meters import Meter, read_meter
from bayling_study.config import load_config
from bayling_study.dag.devices import cards
from bayling_study.dag.rules import Dag

TARGETS = ("study", "fetch")
"""Rules of the Snakefile that do nothing themselves and are not counted."""
KEYS = ("system", "suite", "mixture", "source")
"""Wildcards that tell a rule's jobs apart; others, such as a hash, are for paths."""


def name_of(wildcards: Mapping[str, Any]) -> str:
    """Returns which job of its rule has these wildcards, as ``plan.jobs`` names it."""
    return " ".join(str(wildcards[key]) for key in KEYS if key in wildcards)


class Run:
    """What a run's messages say so far; may be asked from another thread. Nothing is estimated
    before they name the configuration and the jobs."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self._lock = threading.RLock()
        self._files: list[Path] = []
        self._cores = float("inf")
        self._needs: dict[str, set[str]] = defaultdict(set)
        self._costs: Costs | None = None
        self._estimate = Estimate(lambda rule, name: 0.0, {}, MODELS)
        self._logs: dict[int, Path] = {}

    def take(self, event: Any, message: Mapping[str, Any]) -> str:
        """Notes a message; returns the line that it is worth, or nothing."""
        with self._lock:
            match event:
                case LogEvent.WORKFLOW_STARTED:
                    self._files = [Path(path) for path in message.get("configfiles", [])]
                case LogEvent.RESOURCES_INFO:
                    self._cores = message.get("cores") or self._cores
                case LogEvent.RULEGRAPH:
                    for link in message["rulegraph"]["links"]:
                        self._needs[link["targetrule"]].add(link["sourcerule"])
                case LogEvent.RUN_INFO:
                    return self._planned(message["stats"])
                case LogEvent.JOB_INFO if message["rule_name"] not in TARGETS:
                    self._begun(message)
                case LogEvent.JOB_FINISHED if message["job_id"] in self._estimate.running:
                    return self._ended(message["job_id"])
                case LogEvent.JOB_ERROR:
                    self._estimate.fail(message["jobid"])
            return ""

    def _planned(self, stats: Mapping[str, int]) -> str:
        jobs = {rule: n for rule, n in stats.items() if rule not in (*TARGETS, "total")}
        self.total, self.done = sum(jobs.values()), 0
        self._costs = costs = Costs(Dag(load_config(*self._files)))
        # A scheduler's machines and a GPU have speeds of their own: models tell them.
        here = self._cores < float("inf") and not cards()
        known = here or any(stage in MODELS for stage, _ in costs.before)
        about = self._cores, known, Counter(jobs), self._needs
        self._estimate = Estimate(costs, costs.names, MODELS, *about)
        return f"{self.total} job{'s' * (self.total != 1)}{to_go(self.left())}"

    def _begun(self, message: Mapping[str, Any]) -> None:
        name = name_of(message["wildcards"] or {})
        job = Running(message["rule_name"], name, time.time(), message["threads"] or 1)
        self._estimate.begin(message["jobid"], job)
        self._logs[message["jobid"]] = Path((message["log"] or [""])[0])

    def _ended(self, number: int) -> str:
        now = time.time()
        job = self._estimate.end(number, now)
        self.done += 1
        rest = to_go(self.left()) if self.done < self.total else ""
        return f"{self._count()} {_title(job)}, {clock(now - job.start)}{rest}"

    def state(self) -> str:
        """Returns what runs now, how far it is, and what is left; nothing while nothing runs."""
        with self._lock:
            jobs = []
            for number, job in self._estimate.running.items():
                words = f" ({meter.words})" if (meter := self._meter(number, job)) else ""
                jobs.append(f"{_title(job)} {clock(time.time() - job.start)}{words}")
            listed = f"{self._count()} running: {', '.join(jobs)}"
            return f"{listed}{to_go(self.left())}" if jobs else ""

    def _count(self) -> str:
        return f"[{self.done:{len(str(self.total))}}/{self.total}]"

    def _meter(self, number: int, job: Running) -> Meter | None:
        """Returns what the log of a running job tells, if it is of this attempt."""
        found = read_meter(self._logs[number])
        return found if found and found.time >= int(job.start) else None

    def left(self) -> float | None:
        """Returns the seconds until the run ends; none where nobody can say."""
        now, rest = time.time(), {}
        for number, job in self._estimate.running.items():
            if self._costs and (meter := self._meter(number, job)):
                rest[number] = meter.told(self._costs.counted(job.rule, job.name), now)
        return self._estimate.left(now, rest) if self._costs else None


def _title(job: Running) -> str:
    return f"{job.rule} {job.name}".rstrip()


def clock(seconds: float) -> str:
    """Returns a time as on a clock: ``4:05`` or ``2:04:05``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def to_go(seconds: float | None) -> str:
    """Returns what is left in words, no finer than it is known; nothing where it is not."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    shown = f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
    return f"; about {shown} to go" if minutes else "; less than a minute to go"
