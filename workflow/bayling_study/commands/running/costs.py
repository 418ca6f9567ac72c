"""What each job is expected to take on the machine that the embedded study was measured on.

Two cores without a GPU. Work that runs models goes with the plan's formulas, 6 floating-point
operations per parameter and token in training and 2 in answering; the rest with the number of
prompts or conversations. Only proportions matter once a job has ended, so each rule has two numbers
and no more; they are those of the embedded study's run records.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from bayling_study.commands.plan.formulas import training_flops
from bayling_study.commands.plan.shapes import study_models
from bayling_study.commands.plan.training import mixture_tokens
from bayling_study.config.systems import TunedSystem
from bayling_study.dag.rules import Dag

HEAVY = ("tuning", "generation", "harness", "judging", "perplexity", "export")
"""Rules that run models: a GPU makes them faster and leaves the others as they are."""

NEEDS = {
    "foundation": {"download"}, "corpora": {"download"}, "prompts": {"corpora", "download"},
    "comet_segments": {"corpora"}, "comet_training": {"comet_segments"},
    "synthesis": {"corpora", "foundation"}, "masks": {"synthesis", "foundation"},
    "tuning": {"masks", "foundation"}, "deltas_make": {"tuning", "foundation"},
    "export": {"tuning", "foundation"}, "perplexity": {"export", "prompts"},
    "generation": {"prompts", "foundation", "tuning", "export", "deltas_apply"},
    "generation_elsewhere": {"prompts", "download"},
    "harness": {"prompts", "foundation", "tuning", "export", "deltas_apply"},
    "judging": {"generation", "generation_elsewhere"},
    "comet_score": {"generation", "generation_elsewhere", "comet_training"},
    "scoring": {"generation", "generation_elsewhere", "harness", "judging"},
    "significance": {"scoring", "comet_score"}, "report": {"significance", "perplexity"},
    "track": {"report"},
}  # fmt: skip
"""Which rules' jobs a rule waits for, the way through which a run takes longest."""

FIXED = {"foundation": 10.0, "corpora": 10.0, "tuning": 20.0, "comet_training": 60.0, "report": 8.0}
OTHERWISE = 3.0
"""Seconds to start a job's Python and read its inputs."""

TRAINING = 5e11
ANSWERING = 8e10
"""Operations per second: training packs long sequences, answering makes one token at a time."""

PER_PROMPT = {
    "scoring": 0.01, "significance": 0.05, "comet_score": 0.03, "comet_segments": 0.001,
    "generation_elsewhere": 0.01,
}  # fmt: skip
PER_CONVERSATION = {"synthesis": 0.015, "masks": 0.012}
TOKENS = 64.0
"""Of an answer; a suite's ``max_new_tokens`` is its limit and no forecast."""
PROMPTS = 1000
"""Prompts of a suite that is not written yet."""


class Costs:
    """Expected seconds of a study's jobs, ``costs(rule, name)``; without a name, of any."""

    def __init__(self, dag: Dag) -> None:
        self.layout = dag.layout
        models = study_models(dag.layout)
        self.shapes = {name: model.shape for name, model in models.items() if model.shape}
        self.tuned = dag.layout.names(TunedSystem)
        self._counted = cache(_lines)

    def __call__(self, rule: str, name: str) -> float:
        """Returns the seconds that a job is expected to take."""
        seconds = FIXED.get(rule, OTHERWISE) + PER_PROMPT.get(rule, 0.0) * self.prompts()
        if rule in PER_CONVERSATION:
            seconds += PER_CONVERSATION[rule] * self._conversations()
        if rule in HEAVY:
            seconds += self._model_seconds(rule, name)
        return seconds

    def prompts(self) -> int:
        """Returns the prompts of all suites, as far as they are written."""
        folder = self.layout.study / "prompts"
        files = [folder / f"{suite}.jsonl" for suite in self.layout.config.suites]
        return sum(self._counted(file) if file.is_file() else PROMPTS for file in files)

    def _conversations(self) -> int:
        mixtures = self.layout.config.synthesis.mixtures.values()
        return max((mixture.conversations for mixture in mixtures), default=0)

    def _model_seconds(self, rule: str, name: str) -> float:
        if rule == "tuning":
            jobs = [name] if name in self.tuned else self.tuned
            return max((self._training(job) for job in jobs), default=0.0)
        shape = self.shapes.get(name) or next(iter(self.shapes.values()), None)
        if shape is None:
            return 0.0
        tokens = {"export": 0.0, "perplexity": 0.3}.get(rule, 1.0) * self.prompts() * TOKENS
        return 2 * shape.parameters() * tokens / ANSWERING

    def _training(self, system: str) -> float:
        shape = self.shapes.get(system)
        if shape is None:
            return 0.0
        tuning = self.layout.config.tuning_of(system)
        tokens = mixture_tokens(self.layout, system)[0] * tuning.epochs
        return training_flops(shape, tuning, tokens) / TRAINING


def _lines(path: Path) -> int:
    with open(path, "rb") as stream:
        return sum(1 for _ in stream)
