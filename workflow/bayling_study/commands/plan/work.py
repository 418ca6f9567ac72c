"""How long a study takes on the cores of this machine: work of each job by its measured speed.
Models' work is counted in operations of matrix products, everything else in turns of a loop of
plain Python (``probe``). The shares and turns were measured with the embedded study on two cores of
an AMD EPYC of 2024 (processor time, torch 2.13)."""

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from bayling_study.commands.plan.counts import (
    SHARED,
    SUPERVISED,
    answers_of,
    mixture_of,
    prompts_of,
    tokens_read,
)
from bayling_study.commands.plan.jobs import job_names
from bayling_study.commands.plan.probe import Speed
from bayling_study.config.comparison import made_of
from bayling_study.config.systems import FoundationSystem, Int8System, TunedSystem
from bayling_study.dag.rules import Dag
from bayling_study.shared.sizing.shape import Shape
from bayling_study.shared.sizing.speed import model_flops

MILLION = 1e6
START = {"plain": 4 * MILLION, "model": 30 * MILLION, "tuning": 80 * MILLION}
"""Turns until a job works: Python alone, with torch and transformers, with training's processes
(the last is assumed, not measured)."""
PLAIN = ("corpora", "prompts", "comet_segments", "scoring", "significance", "report")
"""Rules that load no model."""
TURNS = {"corpora": 0.8, "synthesis": 36e3, "masks": 2e3, "interactive": 0.2e6, "comet": 11e3,
         "scoring": 6e3, "end": 10e3}  # fmt: skip
"""Turns per byte of sources, conversation (of a mixture; of an interactive suite), COMET's row, and
per answer in scoring and in each stage at the end."""
TRAINED_SHARE = 0.52
"""Of the products' speed on all cores that training reaches, optimiser and all. It was 0.43 while
the system cleared memory in every step: the embedded study's took 388 s, and 326 s since."""
READ_SHARE = 0.53
"""Of the products' speed that reading and writing answers reach: a fifth of the foundation's
prompts took 44 s of processor time."""
PROMPT_TOKENS = {"translation": 80, "interactive": 125}
READ_TOKENS = 100  # of a conversation of ``perplexity``
PROBED_TOKENS = 15  # of a text of ``probing``
ANSWER_TOKENS = {"foundation": 40, "tuned": 20}
"""Tokens of an answer, at most the suite's limit: untuned models go on."""


class Job(NamedTuple):
    """One job: what it waits for (``rule/name``), the cores it holds, and its seconds if known."""

    rule: str
    name: str
    needs: tuple[str, ...]
    seconds: float | None
    cores: int = 1

    @property
    def key(self) -> str:
        """Returns how other jobs name it."""
        return f"{self.rule}/{self.name}"


class Work:
    """The jobs of a study on one machine, as far as their work is known."""

    def __init__(self, dag: Dag, shapes: Mapping[str, Shape | None], speed: Speed) -> None:
        self.layout, self.config, self.speed = dag.layout, dag.config, speed
        self.shapes, self.names = shapes, job_names(dag)
        self.text = ["corpora/corpora"] if "corpora" in self.names else []

    def jobs(self, corpus_bytes: int) -> list[Job]:
        """Returns all jobs but downloads, whose time is the network's."""
        layout, suites = self.layout, self.config.suites
        embedded = self.config.comet.embedded if "comet_training" in self.names else None
        read = TURNS["corpora"] * corpus_bytes
        found = [self._plain("corpora", "corpora", [], read)] if self.text else []
        for name, suite in suites.items():
            turns = TURNS.get(suite.kind, 0) * (prompts_of(layout, name) or 0)
            found.append(self._plain("prompts", name, self.text, turns))
        if embedded:
            segments = self._plain("comet_segments", "segments", self.text, 0)
            turns = TURNS["comet"] * embedded.rows * embedded.epochs
            found += [segments, self._plain("comet_training", "training", [segments.key], turns)]
        parts = [made_of(self.config.systems, name) for name in layout.with_model()]
        for name in dict.fromkeys(chain.from_iterable(parts)):
            found += self._model(name, [f"prompts/{suite}" for suite in suites])
        answered = [f"generation/{name}" for name in layout.with_model()]
        answers = sum(answers_of(layout, suite) or 0 for suite in layout.generated_suites())
        turns = TURNS["scoring"] * answers
        asked = layout.config.evaluated()
        scored = [self._plain("scoring", name, answered, turns) for name in asked]
        if "comet_score" in self.names:  # a released model's size is not known here
            needs, seconds = [*answered, "comet_training/training"], 0.0 if embedded else None
            scored.append(self._job("comet_score", "score", needs, seconds))
        needs, end = [job.key for job in scored], TURNS["end"] * answers
        found += [
            *scored,
            self._plain("significance", "significance", needs, end),
            self._plain("report", "report", ["significance/significance"], end),
            self._job("track", "track", ["report/report"], 0.0),
        ]
        return list({job.key: job for job in found}.values())

    def _job(self, rule: str, name: str, needs: list[str], seconds: float | None) -> Job:
        start = "tuning" if rule == "tuning" else "plain" if rule in PLAIN else "model"
        begin, cores = START[start] / self.speed.python, self.speed.cores if rule == "tuning" else 1
        return Job(rule, name, tuple(needs), None if seconds is None else begin + seconds, cores)

    def _plain(self, rule: str, name: str, needs: list[str], turns: float) -> Job:
        return self._job(rule, name, needs, turns / self.speed.python)

    def _model(self, name: str, prompts: list[str]) -> list[Job]:
        """Returns the jobs that make a system and let it answer."""
        shape = self.shapes[name]  # without one, the time of its jobs is not known
        system, needs, found = self.config.systems[name], [*prompts, *self._made(name)], []
        if isinstance(system, TunedSystem):
            mixture, seconds = system.mixture, self._training(name, shape) if shape else None
            count, before = mixture_of(self.layout, name)[0], [*self.text, *prompts]
            found = [
                self._plain("synthesis", mixture, before, TURNS["synthesis"] * count),
                self._plain("masks", name, [f"synthesis/{mixture}"], TURNS["masks"] * count),
                self._job("tuning", name, [f"masks/{name}", *self._made(system.base)], seconds),
            ]
        elif isinstance(system, Int8System):
            seconds = self._reading(shape, 2 * self.config.perplexity.conversations * READ_TOKENS)
            made = self._job("export", name, self._made(system.base), 0.0)
            found = [made, self._job("perplexity", name, [made.key], seconds)]
        if name not in self.layout.config.evaluated():
            return found
        if self.config.probing and name in self.layout.probed():
            seconds = self._reading(shape, self.config.probing.texts * PROBED_TOKENS)
            found.append(self._job("probing", name, [*needs[len(prompts) :], *self.text], seconds))
        seconds = self._answering(name, shape) if shape else None
        return [*found, self._job("generation", name, needs, seconds)]

    def _made(self, base: str) -> list[str]:
        """Returns the trainings and exports that a system is made by here."""
        rules = {"tuned": "tuning", "int8": "export"}
        parts = ((part, self.config.systems[part]) for part in made_of(self.config.systems, base))
        return [f"{rules[one.kind]}/{part}" for part, one in parts if one.kind in rules]

    def _training(self, name: str, shape: Shape) -> float:
        tokens = tokens_read(self.layout, name)
        pairs = tokens * tokens / mixture_of(self.layout, name)[0]
        work = model_flops(shape, round(SHARED * tokens), round(SUPERVISED * tokens), round(pairs))
        work *= 4 / 3 if self.config.tuning_of(name).gradient_checkpointing else 1
        return work / (self.speed.products * self.speed.cores * TRAINED_SHARE)

    def _answering(self, name: str, shape: Shape) -> float | None:
        seconds, calls = 0.0, len(self.config.answering_of(name).steps) or 1
        kind = "foundation" if isinstance(self.config.systems[name], FoundationSystem) else "tuned"
        for suite in self.layout.generated_suites():
            count, found = answers_of(self.layout, suite), self.config.suites[suite]
            how, prompt = getattr(found, "decoding", None), PROMPT_TOKENS.get(found.kind, 125)
            if count is None or how is None:
                return None
            written = min(ANSWER_TOKENS[kind], how.max_new_tokens)
            blocks = shape.layers * sum(out * inner for out, inner in shape.block().values())
            read = 2 * blocks * prompt / self.speed.products
            step = 2 * shape.parameters() * written / self.speed.steps
            seconds += calls * count * how.beams * (read + step) / READ_SHARE
        return seconds

    def _reading(self, shape: Shape | None, tokens: int) -> float | None:
        """Returns the seconds in which a model of known shape reads so many tokens."""
        rate = self.speed.products * READ_SHARE
        return 2 * shape.parameters() * tokens / rate if shape else None


def schedule(jobs: list[Job], cores: int) -> float:
    """Returns the seconds of all jobs, started in their order once inputs and cores are free; one
    of unknown length takes none."""
    ends: dict[str, float] = {}
    waiting, running, now = list(jobs), dict[str, Job](), 0.0
    names = {job.key for job in jobs}
    while waiting or running:
        for job in list(waiting):
            busy = sum(other.cores for other in running.values())
            if set(job.needs) & names <= set(ends) - set(running) and busy + job.cores <= cores:
                waiting.remove(job)
                running[job.key] = job
                ends[job.key] = now + (job.seconds or 0.0)
        now = min(ends[key] for key in running)
        running = {key: job for key, job in running.items() if ends[key] > now}
    return now
