"""What a job is expected to take: as long as on this machine before, else by formulas.

The formulas are of two idle cores without a GPU: what a job takes to start, which is all that it
takes in the miniature study of the tests, and its work, that of models by their parameters as in
``make plan``. What ends in a run corrects both; see ``estimate``.
"""

import os
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from bayling_study.commands.plan.formulas import training_flops
from bayling_study.commands.plan.jobs import job_names, record_of
from bayling_study.commands.plan.shapes import study_models
from bayling_study.commands.plan.training import mixture_tokens
from bayling_study.config.systems import Int8System
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.core.records import stream_prompts
from bayling_study.dag.rules import Dag

MODELS = ("tuning", "generation", "harness", "judging", "perplexity", "comet_score", "export")
"""Rules that run models: a GPU makes them faster and leaves the others as they are."""
TRAINING, ANSWERING = 3.2e11, 1.1e11
"""Operations a second: 399 tokens a second train the embedded study's model (``dag.rules``), and
the 1,038 turns of its suites take two and a half minutes."""
TURN_TOKENS = 64
"""Tokens of a turn; ``max_new_tokens`` is a limit and no forecast."""
INT8 = 1.5
"""How much longer an 8-bit system answers on cores, which rebuild its matrices."""
COMET = 5.6e8
"""Parameters of the released COMET models, those of XLM-R large."""
SECONDS = {
    "synthesis": (5, 5e-3), "masks": (3, 3e-3), "tuning": (13, 0), "export": (3, 0),
    "generation": (4, 0), "harness": (4, 0), "judging": (4, 0), "perplexity": (4, 0),
    "scoring": (1, 3e-4), "significance": (1, 1e-5), "comet_training": (5, 1.5e-3),
    "comet_score": (4, 3e-4), "report": (2, 0), "track": (3, 0),
}  # fmt: skip
"""Of a job, and of each conversation, row of an epoch or turn in it; of other rules one."""
RECORDED = {"generation": "answers", "perplexity": "n", "tuning": "tokens"} | dict.fromkeys(
    ("masks", "synthesis"), "conversations"
)
"""Metric of a stage's run record that says how much work it was."""
SUITE = 1000
"""Prompts of a suite that is not written yet."""


class Costs:
    """Expected seconds of a study's jobs, by rule and name as in ``plan.jobs``.

    ``before`` holds seconds and work of jobs that this machine has done for the study, as their
    records stand now: a job that starts again writes over its own.
    """

    def __init__(self, dag: Dag) -> None:
        self.layout = dag.layout
        self.names = job_names(dag)
        self._shapes = {name: model.shape for name, model in study_models(dag.layout).items()}
        records = [*dag.layout.study.glob("runs/*/*.json"), *dag.layout.shared_records()]
        self.before = dict(_before(records))

    def __call__(self, rule: str, name: str) -> float:
        """Returns the seconds that a job is expected to take."""
        work = self.work(rule, name)
        if before := self.before.get(record_of(rule, name)):
            return before[0] * (work / before[1] if before[1] else 1.0)
        start, each = SECONDS.get(rule, (1.0, 0.0))
        speed = TRAINING if rule == "tuning" else ANSWERING
        return start + each * work + self._operations(rule, name, work) / speed

    def _operations(self, rule: str, name: str, work: float) -> float:
        """Returns the floating-point operations of a job that runs a model."""
        config, shape = self.layout.config, self._shapes.get(name.partition(" ")[0])
        if rule == "comet_score":
            return 0.0 if config.comet.embedded else 2 * COMET * TURN_TOKENS * work
        if shape is None or rule not in MODELS or rule == "export":
            return 0.0
        if rule == "tuning":
            return training_flops(shape, config.tuning_of(name), work)
        models = INT8 if name in self.layout.names(Int8System) else 1.0
        models += rule == "perplexity"  # the base reads the same
        return 2.0 * shape.parameters() * TURN_TOKENS * work * models

    def counted(self, rule: str, name: str) -> float:
        """Returns what all meters of a job count together; 0 where that is for them to say."""
        times = {"generation": 1, "generation_elsewhere": 1, "perplexity": 2}.get(rule, 0)
        return times * self.work(rule, name)

    def work(self, rule: str, name: str) -> float:
        """Returns how much a job has to do: tokens, conversations, rows or turns."""
        config, layout = self.layout.config, self.layout
        if rule == "tuning":
            return mixture_tokens(layout, name)[0] * config.tuning_of(name).epochs
        if rule in ("masks", "synthesis"):
            mixture = layout.instructions(name).name if rule == "masks" else name
            return config.synthesis.mixtures[mixture].conversations
        if rule == "perplexity":
            return config.perplexity.conversations
        if rule == "comet_training" and config.comet.embedded:
            return config.comet.embedded.rows * config.comet.embedded.epochs
        suites = {"harness": layout.knowledge_suites(), "judging": [name.partition(" ")[2]]}
        answered = _turns(layout.prompts(suites.get(rule, layout.generated_suites())))
        both = rule == "judging"  # orders of the two answers
        all_systems = rule in ("significance", "comet_score")
        return answered * (1 + both) * (len(layout.evaluated()) if all_systems else 1)


def _turns(files: Iterable[Path]) -> int:
    return sum(_of_file(p, p.stat().st_mtime) if p.is_file() else SUITE for p in files)


@cache
def _of_file(path: Path, _: float) -> int:
    return sum(len(prompt.turns) for prompt in stream_prompts(path))


def _before(records: Iterable[Path]) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """Yields stage and name, seconds and work of finished jobs of this machine."""
    here = platform.node(), len(os.sched_getaffinity(0))
    for path in records:
        try:
            record = read_json(path)
            ours = (record["host"]["name"], record["host"]["cores"]) == here
            work = record["metrics"].get(RECORDED.get(record["stage"]), 0.0)
            work *= record["parameters"].get("tuning.epochs", 1)
            if ours and record["state"] == "finished":
                job = (record["stage"], record["name"])
                yield job, (record["end"] - record["start"], work)
        except (StudyError, KeyError, TypeError):  # somebody's notes, or an older version's
            continue
