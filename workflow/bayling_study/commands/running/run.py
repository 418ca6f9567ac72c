"""A run as Snakemake's messages tell it: jobs that wait, run and have ended, and the time left."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.common import LogEvent

from bayling_study.commands.running import lines
from bayling_study.commands.running.costs import HEAVY, NEEDS, Costs
from bayling_study.commands.running.estimate import Estimate, Running
from bayling_study.commands.status.training import trainings
from bayling_study.config import load_config
from bayling_study.dag.devices import cards
from bayling_study.dag.rules import Dag

TARGETS = ("study", "fetch")
"""Rules of the Snakefile that do nothing themselves and are not counted."""
METER = re.compile(r"\d{4}-\d\d-\d\d [\d:]{8} (.+ (?:left|/s\S*))$")
"""A line of ``core.progress`` in a job's log."""
TAIL = 4096
STALE = 20.0
"""Seconds after which a training is asked again how long it takes."""


class Run:
    """What a run's messages say so far; may be asked from another thread.

    Until the messages name the configuration and the jobs, nothing is estimated.
    """

    def __init__(self) -> None:
        self.total = self.done = 0
        self._lock = threading.RLock()
        self._files: list[Path] = []
        self._cores: int | None = None
        self._study: Path | None = None
        self._estimate: Estimate | None = None
        self._logs: dict[int, Path] = {}
        self._told: tuple[float, dict[str, float]] = (0.0, {})
        self._does = {
            LogEvent.WORKFLOW_STARTED: self._opened,
            LogEvent.RESOURCES_INFO: self._granted,
            LogEvent.RUN_INFO: self._counted,
            LogEvent.JOB_INFO: self._begun,
            LogEvent.JOB_FINISHED: self._ended,
            LogEvent.JOB_ERROR: self._failed,
        }

    def take(self, event: Any, message: Mapping[str, Any]) -> str:
        """Notes a message; returns the line that it is worth, or nothing."""
        note = self._does.get(event)
        with self._lock:
            return note(message) or "" if note is not None else ""

    def _opened(self, message: Mapping[str, Any]) -> None:
        self._files = [Path(path) for path in message.get("configfiles", [])]

    def _granted(self, message: Mapping[str, Any]) -> None:
        self._cores = message.get("cores", self._cores)

    def _counted(self, message: Mapping[str, Any]) -> str:
        stats = {rule: n for rule, n in message["stats"].items() if rule not in (*TARGETS, "total")}
        self.total, self.done = sum(stats.values()), 0
        dag = Dag(load_config(*self._files))
        self._study = dag.layout.study
        # A scheduler's machines and a GPU have speeds of their own: models tell them.
        known = self._cores is not None and not cards()
        self._estimate = Estimate(Costs(dag), self._cores, HEAVY, known, Counter(stats), NEEDS)
        left = lines.to_go(self._left(self._estimate))
        return f"{self.total} jobs" + (f"; {left}" if left else "")

    def _begun(self, message: Mapping[str, Any]) -> None:
        if message["rule_name"] in TARGETS or self._estimate is None:
            return
        number, name = message["jobid"], lines.name_of(message["wildcards"] or {})
        job = Running(message["rule_name"], name, time.time(), message["threads"] or 1)
        self._estimate.begin(number, job)
        if message["log"]:
            self._logs[number] = Path(message["log"][0])

    def _ended(self, message: Mapping[str, Any]) -> str | None:
        if self._estimate is None or message["job_id"] not in self._estimate.running:
            return None
        now = time.time()
        job = self._estimate.end(message["job_id"], now)
        self.done += 1
        left = self._left(self._estimate)
        return lines.ended(self.done, self.total, _title(job), now - job.start, left)

    def _failed(self, message: Mapping[str, Any]) -> None:
        if self._estimate is not None:
            self._estimate.fail(message["jobid"])

    def state(self) -> str:
        """Returns what runs now, how far it is, and what is left; nothing while nothing runs."""
        with self._lock:
            if self._estimate is None or not self._estimate.running:
                return ""
            jobs = [
                f"{_title(job)} {lines.clock(time.time() - job.start)}{self._meter(number)}"
                for number, job in self._estimate.running.items()
            ]
            text = f"[{self.done}/{self.total}] running: {', '.join(jobs)}"
            left = lines.to_go(self._left(self._estimate))
            return f"{text}; {left}" if left else text

    def _left(self, estimate: Estimate) -> float | None:
        told = self._trainings()
        known = {
            number: told[job.name]
            for number, job in estimate.running.items()
            if job.rule == "tuning" and job.name in told
        }
        return estimate.left(time.time(), known)

    def _trainings(self) -> dict[str, float]:
        """Returns the seconds left of trainings that have done a step, as they say themselves."""
        asked, told = self._told
        if self._study is not None and time.time() - asked > STALE:
            told = {one.system: one.seconds_left for one in trainings(self._study) if one.age < 600}
            self._told = (time.time(), told)
        return told

    def _meter(self, number: int) -> str:
        log = self._logs.get(number)
        if log is None or not log.is_file():
            return ""
        with open(log, "rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL))
            text = stream.read().decode(errors="replace")
        found = [match[1] for line in text.splitlines() if (match := METER.match(line))]
        return f" ({found[-1]})" if found else ""


def _title(job: Running) -> str:
    return f"{job.rule} {job.name}".rstrip()
