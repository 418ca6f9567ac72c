"""What a job is expected to take: as long as on this machine before, else by ``costs.tsv``.

The table is of two idle cores. ``start`` are the seconds of a job of the tests' miniature study,
which has next to no work; ``each`` those of a piece of work in the embedded study (2.5 ms a token,
the 399 tokens a second of ``dag.interpreter``), with a ``model`` for as many parameters as there.
``metric`` of a run record says how much work it was, ``meters`` how many count all of it. What
ends in a run corrects every number; see ``estimate``.
"""

import csv
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

from bayling_study.commands.plan.counts import answers_of, tokens_read
from bayling_study.commands.plan.jobs import job_names, record_of
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.dag.rules import Dag
from bayling_study.dag.shapes import foundation_model
from bayling_study.shared.sizing.shape import PUBLISHED
from bayling_study.shared.tracking.host import usable_cores

with open(Path(__file__).with_suffix(".tsv"), encoding="utf-8", newline="") as stream:
    TABLE = {row["rule"]: row for row in csv.DictReader(stream, dialect="excel-tab")}
OTHERS = {"start": "1", "each": "0", "work": "", "metric": "", "meters": "0"}
MODELS = {rule for rule, row in TABLE.items() if row["model"] == "yes"}
"""Rules that run models: a GPU makes them faster and leaves the others as they are."""
PARAMETERS = PUBLISHED["smollm2"].parameters()
INT8 = 1.5  # how much longer an 8-bit system answers on cores, which rebuild its matrices
FP32 = 1.6  # and one in another precision than the study's, which mostly is fp32 beside bf16
UNTUNED = 1.25
"""How much longer a model answers that nobody has taught where to stop: it uses up its tokens."""
SUITE = 1000  # answers of a suite whose number only its source tells


class Costs:
    """Expected seconds of a study's jobs, by rule and name as in ``plan.jobs``. ``before`` holds
    seconds and work of jobs that this machine has done for the study, as their records stand now: a
    job that starts again writes over its own."""

    def __init__(self, dag: Dag) -> None:
        self.layout = dag.layout
        self.names = job_names(dag)
        records = [*dag.layout.study.glob("runs/*/*.json"), *dag.layout.shared_records()]
        self.before = dict(_before(records))

    def __call__(self, rule: str, name: str) -> float:
        """Returns the seconds that a job is expected to take."""
        work = self.work(rule, name)
        if before := self.before.get(record_of(rule, name)):
            return before[0] * (work / before[1] if before[1] else 1.0)
        row = TABLE.get(rule, OTHERS)
        size = self._size(name.partition(" ")[0]) if rule in MODELS else 1.0
        return float(row["start"]) + float(row["each"]) * work * size

    def _size(self, system: str) -> float:
        """Returns how much longer a system takes than the embedded study's, as far as known."""
        if system not in self.layout.config.systems or not self.layout.with_model(system):
            return 1.0
        model = foundation_model(self.layout, system)
        size = model.shape.parameters() / PARAMETERS if model.shape else 1.0
        longer = {"int8": INT8, "precision": FP32, "foundation": UNTUNED}
        return size * longer.get(self.layout.config.systems[system].kind, 1.0)

    def counted(self, rule: str, name: str) -> float:
        """Returns what all meters of a job count together; 0 where that is for them to say."""
        return int(TABLE.get(rule, OTHERS)["meters"]) * self.work(rule, name)

    def work(self, rule: str, name: str) -> float:
        """Returns how much a job has to do, in the unit of the table."""
        config, layout = self.layout.config, self.layout
        match TABLE.get(rule, OTHERS)["work"]:
            case "tokens":
                return tokens_read(layout, name)
            case "instructions":
                mixture = layout.instructions(name).name if rule == "masks" else name
                return config.synthesis.mixtures[mixture].conversations
            case "conversations":
                return config.perplexity.conversations
            case "texts" if config.probing:
                return config.probing.texts
            case "rows" if config.comet.embedded:
                return config.comet.embedded.rows * config.comet.embedded.epochs
            case "questions":
                return self._turns(layout.knowledge_suites())
            case "turns" if rule == "judging":
                return self._turns([name.partition(" ")[2]])
            case "turns":
                return self._turns(layout.generated_suites())
            case "answers":
                return self._turns(config.suites) * len(layout.config.evaluated())
        return 0.0

    def _turns(self, suites: Iterable[str]) -> float:
        found = (answers_of(self.layout, suite) for suite in suites)
        return sum(SUITE if count is None else count for count in found)


def _before(records: Iterable[Path]) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    """Yields stage and name, seconds and work of finished jobs of this machine."""
    here = platform.node(), usable_cores()
    for path in records:
        try:
            record = read_json(path)
            ours = (record["host"]["name"], record["host"]["cores"]) == here
            work = record["metrics"].get(TABLE.get(record["stage"], OTHERS)["metric"], 0.0)
            epochs = record["parameters"].get("tuning.epochs", 1)
            work = work if epochs == "auto" else work * epochs
            work = record["metrics"].get("trained_tokens", work)
            if ours and record["state"] == "finished":
                yield (record["stage"], record["name"]), (record["end"] - record["start"], work)
        except (StudyError, KeyError, TypeError):  # somebody's notes, or an older version's
            continue
