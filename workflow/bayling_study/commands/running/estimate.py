"""How long the rest of a run takes: what was expected of its jobs, corrected by those that ended.

Jobs that are left are dealt out to the cores in the order of the rules, as Snakemake does it. A job
is expected to take what ``costs`` says, times how much longer than that finished jobs took: of its
rule, else of its kind.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

INERTIA = 10.0
"""Expected seconds that finished jobs must outweigh before they count more than what they correct:
jobs of a second tell of starting Python, not of the machine."""
OVERDUE = 0.25
"""A job that takes longer than expected takes this share of its time more."""

Expected = Callable[[str, str], float]
"""Rule and name of a job to the seconds it is expected to take on the machine of ``costs``."""


@dataclass(frozen=True)
class Running:
    """A job that has begun: when (seconds of the clock), and how many cores it holds."""

    rule: str
    name: str
    start: float
    threads: int


@dataclass
class Estimate:
    """What is known of a run.

    ``cores`` is none where a scheduler has more than anyone counts; ``heavy`` are the rules that
    run models, whose speed says nothing of the others'; ``known`` tells whether the machine is one
    whose speed ``expected`` knows, before any job of that kind has ended.
    """

    expected: Expected
    cores: int | None
    heavy: Collection[str]
    known: bool
    waiting: Counter[str] = field(default_factory=Counter)
    needs: dict[str, set[str]] = field(default_factory=dict)
    running: dict[int, Running] = field(default_factory=dict)
    finished: list[tuple[str, float, float]] = field(default_factory=list)
    """Rule, seconds expected and seconds taken."""

    def begin(self, number: int, job: Running) -> None:
        """Notes that a job has begun; a repeated one is not waiting any more."""
        if self.waiting[job.rule] > 0:
            self.waiting[job.rule] -= 1
        self.running[number] = job

    def end(self, number: int, now: float) -> Running:
        """Notes that a job has ended well, and returns it."""
        job = self.running.pop(number)
        self.finished.append((job.rule, self.expected(job.rule, job.name), now - job.start))
        return job

    def fail(self, number: int) -> None:
        """Notes that a job has failed: it waits for its next attempt, if it gets one."""
        if (job := self.running.pop(number, None)) is not None:
            self.waiting[job.rule] += 1

    def factor(self, rule: str) -> float | None:
        """Returns how much longer than expected jobs of a rule take; none where nobody can say."""
        alike = [one for one in self.finished if (one[0] in self.heavy) == (rule in self.heavy)]
        if rule in self.heavy and not alike and not self.known:
            return None
        general = _ratio(alike, 1.0)
        return _ratio([one for one in alike if one[0] == rule], general)

    def left(self, now: float, told: Mapping[int, float]) -> float | None:
        """Returns the seconds until the last job ends; none where nobody can say.

        ``told`` are the seconds left of running jobs that tell them themselves.
        """
        ends = []
        for number, job in self.running.items():
            factor = self.factor(job.rule)
            if factor is None and number not in told:
                return None
            passed = now - job.start
            whole = self.expected(job.rule, job.name) * (factor or 1.0)
            rest = told.get(number, max(whole - passed, OVERDUE * min(passed, whole)))
            ends.append((rest, job.rule, job.threads))
        waiting = {}
        for rule, count in self.waiting.items():
            factor = self.factor(rule)
            if count and factor is None:
                return None
            waiting[rule] = [self.expected(rule, "") * (factor or 1.0)] * count
        return _dealt_out(waiting, ends, self.needs, self.cores)


def _ratio(jobs: Iterable[tuple[str, float, float]], before: float) -> float:
    """Returns taken per expected seconds, of which some are taken to be as ``before``."""
    pairs = [(expected, taken) for _, expected, taken in jobs]
    taken = sum(pair[1] for pair in pairs) + before * INERTIA
    return taken / (sum(pair[0] for pair in pairs) + INERTIA)


def _dealt_out(
    waiting: dict[str, list[float]],
    ends: list[tuple[float, str, int]],
    needs: Mapping[str, set[str]],
    cores: int | None,
) -> float:
    """Returns when the last job ends if each starts as soon as what it needs and a core are there.

    ``ends`` are running jobs: seconds left, rule, cores held. A waiting job is taken to need one.
    """
    waiting = {rule: list(jobs) for rule, jobs in waiting.items() if jobs}
    heapq.heapify(ends)
    now = 0.0
    while waiting or ends:
        busy = {rule for _, rule, _ in ends}
        open_rules = [r for r in waiting if not needs.get(r, set()) & (busy | {*waiting}) - {r}]
        if not open_rules and not ends:
            open_rules = [next(iter(waiting))]  # rules that need each other: jobs do not
        for rule in open_rules:
            while waiting[rule] and (cores is None or sum(held for *_, held in ends) < cores):
                heapq.heappush(ends, (now + waiting[rule].pop(), rule, 1))
        waiting = {rule: jobs for rule, jobs in waiting.items() if jobs}
        if ends:
            now = heapq.heappop(ends)[0]
    return now
