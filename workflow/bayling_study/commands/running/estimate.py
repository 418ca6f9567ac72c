"""How long the rest of a run takes: what is expected of its jobs, corrected by those that ended.
Jobs that are left are dealt out to the cores, the longest first, as ``patient`` and the rules'
priorities have Snakemake do. A job is expected to take what ``costs`` says, times how much longer
than that finished jobs took: of its rule, else of its kind."""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

INERTIA = 10.0
"""Expected seconds that finished jobs must outweigh before they count more than what they correct:
jobs of a second tell of starting Python, not of the machine."""
OVERDUE = 0.25
"""A job that takes longer than expected takes this share of its time more, unless it tells."""
WIDE = ("tuning",)  # rules whose jobs take every core


@dataclass(frozen=True)
class Running:
    """A job that has begun: when (seconds of the clock), and how many cores it holds."""

    rule: str
    name: str
    start: float
    threads: float


@dataclass
class Estimate:
    """What is known of a run. ``expected`` are the seconds of a job by rule and name; ``known``
    tells whether it knows those of ``models``, the rules whose speed says nothing of the others',
    before any of them has ended. ``names`` are the jobs of each rule in a run from nothing,
    ``waiting`` the number of those that are to run, ``needs`` the rules before each. A scheduler
    has more cores than anyone counts."""

    expected: Callable[[str, str], float]
    names: Mapping[str, list[str]]
    models: Collection[str]
    cores: float = float("inf")
    known: bool = True
    waiting: Counter[str] = field(default_factory=Counter)
    needs: Mapping[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    running: dict[int, Running] = field(default_factory=dict)
    finished: list[tuple[Running, float, float]] = field(default_factory=list)
    """Job, seconds expected and seconds taken."""

    def begin(self, number: int, job: Running) -> None:
        """Notes that a job has begun."""
        self.waiting[job.rule] = max(0, self.waiting[job.rule] - 1)
        self.running[number] = job

    def end(self, number: int, now: float) -> Running:
        """Notes that a job has ended well, and returns it."""
        job = self.running.pop(number)
        self.finished.append((job, self.expected(job.rule, job.name), now - job.start))
        return job

    def fail(self, number: int) -> None:
        """Notes that a job has failed: it waits for its next attempt, if it gets one."""
        if (job := self.running.pop(number, None)) is not None:
            self.waiting[job.rule] += 1

    def left(self, now: float, told: Mapping[int, tuple[float, float]]) -> float | None:
        """Returns the seconds until the last job ends, none where nobody can say; some jobs told
        the share that is done and the seconds left."""
        ends = [
            (self._rest(job, now - job.start, *told.get(number, (0.0, 0.0))), job.rule, job.threads)
            for number, job in self.running.items()
        ]
        waiting = {rule: self._waiting(rule, count) for rule, count in (+self.waiting).items()}
        unknown = map(math.isnan, [*(end[0] for end in ends), *chain(*waiting.values())])
        return None if any(unknown) else self._dealt_out(waiting, ends)

    def _rest(self, job: Running, passed: float, share: float, told: float) -> float:
        """Returns the seconds that a job still runs; what it tells counts as it has done more."""
        rest = self.expected(job.rule, job.name) * self._factor(job.rule) - passed
        if not share:
            return max(rest, OVERDUE * passed)
        return share * told + (1 - share) * (rest if rest > 0 else told)  # told where not a number

    def _waiting(self, rule: str, count: int) -> list[float]:
        """Returns the seconds of jobs that wait: of all that may be meant, the mean."""
        jobs = [*self.running.values(), *(job for job, *_ in self.finished)]
        begun = {job.name for job in jobs if job.rule == rule}
        names = [name for name in self.names.get(rule, []) if name not in begun] or [""]
        factor = self._factor(rule)
        seconds = [self.expected(rule, name) * factor for name in names]
        return seconds if len(seconds) == count else [sum(seconds) / len(seconds)] * count

    def _factor(self, rule: str) -> float:
        """Returns how much longer than expected jobs of a rule take; not a number if unknown."""
        heavy = rule in self.models
        alike = [job for job in self.finished if (job[0].rule in self.models) == heavy]
        if heavy and not alike and not self.known:
            return math.nan
        return _ratio((job for job in alike if job[0].rule == rule), _ratio(alike, 1.0))

    def _dealt_out(
        self, waiting: dict[str, list[float]], ends: list[tuple[float, str, float]]
    ) -> float:
        """Returns when the last job ends if each starts once what it needs and a core are there.
        ``ends`` (seconds left, rule, cores held of running jobs) and ``waiting`` are used up."""
        heapq.heapify(ends)
        now = 0.0
        while waiting or ends:
            busy = {rule for _, rule, _ in ends} | {*waiting}
            ready = [rule for rule in waiting if not self.needs[rule] & (busy - {rule})]
            if not ready and not ends:
                ready = [next(iter(waiting))]  # rules that need each other: jobs do not
            jobs = sorted(((s, name) for name in ready for s in waiting[name]), reverse=True)
            for seconds, rule in jobs:
                held = min(self.cores, 1e9) if rule in WIDE else 1
                if sum(end[2] for end in ends) + held <= self.cores:
                    heapq.heappush(ends, (now + seconds, rule, held))
                    waiting[rule].remove(seconds)
            waiting = {rule: jobs for rule, jobs in waiting.items() if jobs}
            if ends:
                now = heapq.heappop(ends)[0]
        return now


def _ratio(jobs: Iterable[tuple[Running, float, float]], before: float) -> float:
    """Returns taken per expected seconds, of which some are taken to be as ``before``."""
    pairs = [(INERTIA, before * INERTIA), *((expected, taken) for _, expected, taken in jobs)]
    return sum(taken for _, taken in pairs) / sum(expected for expected, _ in pairs)
