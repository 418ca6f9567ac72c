"""What a job is expected to take: as long as on this machine before, else by formulas.

The formulas are of two cores without a GPU. Jobs need a while to start, which is what they took
in the miniature study of the tests, on idle cores, where there is next to no work. Work that runs
models goes with their parameters, as in ``make plan``. What ends in a run corrects both; see
``estimate``.
"""

import os
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from bayling_study.commands.plan.formulas import training_flops
from bayling_study.commands.plan.jobs import job_names
from bayling_study.commands.plan.shapes import study_models
from bayling_study.commands.plan.training import mixture_tokens
from bayling_study.config.systems import Int8System
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.core.records import stream_prompts
from bayling_study.dag.rules import Dag

TRAINING, ANSWERING = 3.2e11, 1.1e11
"""Operations a second: 399 tokens a second train the embedded study's model (``dag.rules``), and
the 1,038 turns of its suites take two and a half minutes."""
MODELS = ("tuning", "generation", "harness", "judging", "perplexity", "comet_score", "export")
"""Rules that run models: a GPU makes them faster and leaves the others as they are."""
TURN_TOKENS = 64
"""Tokens of a turn; ``max_new_tokens`` is a limit and no forecast."""
INT8 = 1.5
"""How much longer an 8-bit system answers on cores, which rebuild its matrices."""
COMET = 5.6e8
"""Parameters of the released COMET models for cores, those of XLM-R large."""
STARTS = {
    "comet_training": 5.0, "generation": 4.0, "harness": 4.0, "judging": 4.0, "synthesis": 5.0,
    "masks": 3.0, "tuning": 13.0, "export": 3.0, "perplexity": 4.0, "comet_score": 4.0,
    "report": 2.0, "track": 3.0,
}  # fmt: skip
"""Seconds of a job in the miniature study; of other rules one."""
EACH = {
    "scoring": 3e-4, "significance": 1e-5, "comet_score": 3e-4, "generation_elsewhere": 3e-5,
    "synthesis": 5e-3, "masks": 3e-3, "comet_training": 1.5e-3,
}  # fmt: skip
"""Seconds for a prompt, a conversation, or a row of an epoch."""
WORK = {
    "generation": "answers", "perplexity": "n", "masks": "conversations",
    "synthesis": "conversations", "tuning": "tokens",
}  # fmt: skip
"""Metric of a run record that says how much a job had to do."""


class Costs:
    """Expected seconds of a study's jobs, by rule and name as in ``plan.jobs``.

    ``before`` holds seconds and work of jobs that this machine has done for the study, as their
    records stand now: a job that starts again writes over its own.
    """

    def __init__(self, dag: Dag) -> None:
        self.layout = dag.layout
        self.names = job_names(dag)
        models = study_models(dag.layout).items()
        self._shapes = {n: m.shape for n, m in models if m.shape}
        records = [*dag.layout.study.glob("runs/*/*.json"), *dag.layout.shared_records()]
        self.before = dict(_before(records))

    def __call__(self, rule: str, name: str) -> float:
        """Returns the seconds that a job is expected to take."""
        work = self.work(rule, name)
        if before := self.before.get(_key(rule, name)):
            return before[0] * (work / before[1] if before[1] else 1.0)
        operations = self._operations(rule, name, work)
        speed = TRAINING if rule == "tuning" else ANSWERING
        return STARTS.get(rule, 1.0) + EACH.get(rule, 0.0) * work + operations / speed

    def measured(self) -> bool:
        """Tells whether this machine has run a model of the study before."""
        return any(stage in MODELS for stage, _ in self.before)

    def _operations(self, rule: str, name: str, work: float) -> float:
        """Returns the floating-point operations of a job that runs a model."""
        config = self.layout.config
        if rule == "comet_score":
            return 0.0 if config.comet.embedded else 2 * COMET * TURN_TOKENS * work
        shape = self._shapes.get(name.partition(" ")[0])
        if shape is None or rule not in MODELS or rule == "export":
            return 0.0
        if rule == "tuning":
            return training_flops(shape, config.tuning_of(name), work)
        slower = INT8 if name in self.layout.names(Int8System) else 1.0
        if rule == "perplexity":  # by the base too
            slower += 1.0
        return 2.0 * shape.parameters() * TURN_TOKENS * work * slower

    def counted(self, rule: str, name: str) -> float:
        """Returns what all meters of a job count together; 0 where that is for them to say."""
        steps = {"generation": 1, "generation_elsewhere": 1, "perplexity": 2}.get(rule, 0)
        return steps * self.work(rule, name)

    def work(self, rule: str, name: str) -> float:
        """Returns how much a job has to do: tokens, conversations, rows or turns."""
        config = self.layout.config
        match rule:
            case "tuning":
                return mixture_tokens(self.layout, name)[0] * config.tuning_of(name).epochs
            case "masks" | "synthesis":
                mixture = self.layout.instructions(name).name if rule == "masks" else name
                return config.synthesis.mixtures[mixture].conversations
            case "perplexity":
                return config.perplexity.conversations
            case "comet_training":
                embedded = config.comet.embedded
                return embedded.rows * embedded.epochs if embedded else 0.0
            case "generation" | "generation_elsewhere":
                return self._prompts(self.layout.generated_suites())
            case "harness":
                return self._prompts(self.layout.knowledge_suites())
            case "judging":
                return 2 * self._prompts([name.partition(" ")[2]])  # in both orders
            case "significance" | "comet_score":
                return self._prompts(config.suites) * len(self.layout.evaluated())
        return self._prompts(config.suites)

    def _prompts(self, suites: Iterable[str]) -> int:
        """Returns the turns of suites; of one that is not written yet, as many as it asks for."""
        files = {suite: self.layout.prompts([suite])[0] for suite in suites}
        return sum(
            _turns(path, path.stat().st_mtime) if path.is_file() else self._asked(suite)
            for suite, path in files.items()
        )

    def _asked(self, suite: str) -> int:
        section = self.layout.config.suites[suite]
        each = getattr(section, "segments", 0) or getattr(section, "conversations", 0) or 100
        return each * len(getattr(section, "directions", range(10)))


def _key(rule: str, name: str) -> tuple[str, str]:
    """Returns stage and name under which a job keeps its run record."""
    stage, _, part = rule.partition("_")
    if stage == "comet":
        return stage, part
    if stage == "deltas":
        return stage, f"{'applied' if part == 'apply' else 'made'}-{name}"
    if stage == "judging":
        return stage, "-".join(reversed(name.split(" ")))
    return stage, name or stage


def _before(records: Iterable[Path]) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """Yields stage and name, seconds and work of finished jobs of this machine."""
    here = platform.node(), len(os.sched_getaffinity(0))
    for path in records:
        try:
            record = read_json(path)
            ours = (record["host"]["name"], record["host"]["cores"]) == here
            metrics, epochs = record["metrics"], record["parameters"].get("tuning.epochs", 1)
            if ours and record["state"] == "finished":
                work = metrics.get(WORK.get(record["stage"], ""), 0.0) * epochs
                job = (record["stage"], record["name"])
                yield job, (record["end"] - record["start"], work)
        except (StudyError, KeyError, TypeError):  # somebody's notes, or an older version's
            continue


@cache
def _turns(path: Path, _: float) -> int:
    return sum(len(prompt.turns) for prompt in stream_prompts(path))
