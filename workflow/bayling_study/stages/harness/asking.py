"""Puts a task's questions to a system and keeps what came back: a finished task is a whole file in
the work folder, keyed by all that decides it, so a killed job goes on with the next one."""

import logging
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lm_eval.evaluator import evaluate

from bayling_study.config.multiple_choice import HarnessSuite, NliSuite, QuestionsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_json, write_json
from bayling_study.core.records import Prompt
from bayling_study.core.seeds import derive_seed
from bayling_study.shared.harness_tasks import load_task, question_task, signature
from bayling_study.stages.harness.model import StudyModel

log = logging.getLogger(__name__)
ChoiceSuite = HarnessSuite | QuestionsSuite | NliSuite
COMPUTED = 2  # raised when likelihoods are computed in another way: finished tasks hold them


@dataclass(frozen=True)
class MarkedAnswer:
    """One answered question, by its prompt's id; ``choice`` is the text of the most likely one.
    ``likelihoods`` are the choices' log-probabilities after the question, ``metrics`` the harness's
    marks (``acc``, ``acc_norm``), 0 or 1; ``cut`` are the tokens missing at its front, at most."""

    id: str
    choice: str
    likelihoods: list[float]
    metrics: dict[str, float]
    cut: int


@dataclass(frozen=True)
class Item:
    """All answers to one item, with the signature of its marks."""

    signature: str
    marked: list[MarkedAnswer]


@dataclass(frozen=True)
class ExaminedSystem:
    """A system with all that its answers depend on: ``identity`` is the hash of what it is,
    ``seed`` the study's; ``work`` has finished tasks."""

    model: StudyModel
    identity: str
    seed: int
    work: Path

    def item(self, name: str, suite: ChoiceSuite, prompts: list[Prompt], root: Path | None) -> Item:
        """Returns the answers to ``prompts``, one item of a suite, from the work folder if they are
        there; ``root`` has a ``harness`` suite's files (``StudyError`` if these changed)."""
        item = prompts[0].item
        asked = [asdict(prompt) for prompt in prompts]
        form = sorted(field.name for field in fields(MarkedAnswer))
        how = suite.model_dump(mode="json"), asked, self.seed, form, COMPUTED
        key = sha256_json([self.identity, *how])
        path = self.work / name / f"{item}.json"
        if path.exists() and (kept := read_json(path))["key"] == key:
            log.info("%s %s: %d answers reused", name, item, len(kept["marked"]))
            return Item(kept["signature"], [MarkedAnswer(**row) for row in kept["marked"]])
        found = self._ask(f"{name} {item}", suite, prompts, root)
        write_json(path, {"key": key, **asdict(found)})
        return found

    def _ask(
        self, label: str, suite: ChoiceSuite, prompts: list[Prompt], root: Path | None
    ) -> Item:
        shots = suite.num_fewshot if isinstance(suite, HarnessSuite) else 0
        task, numbers = _task(suite, prompts, root)
        task.set_fewshot_seed(seed=derive_seed(self.seed, "harness", prompts[0].item) % 2**31)
        self.model.task, self.model.cut = label, {}
        name = task.config.task
        results = evaluate(
            self.model,
            task_dict={"tasks": {name: task}},
            samples={name: numbers},
            bootstrap_iters=0,
            apply_chat_template=suite.chat_template,
            log_samples=True,
        )
        rows = {row["doc_id"]: row for row in results["samples"][name]}
        pairs = zip(prompts, numbers, strict=True)
        marked = [_marked(prompt, rows[number], self.model.cut) for prompt, number in pairs]
        right = sum(row.metrics.get("acc", 0.0) for row in marked)
        log.info("%s: %d of %d right", label, right, len(marked))
        return Item(signature(task, suite.chat_template, shots), marked)


def _task(suite: ChoiceSuite, prompts: list[Prompt], root: Path | None) -> tuple[Any, list[int]]:
    """Returns the harness's task and the numbers of the questions to ask, one per prompt."""
    first = prompts[0]
    if not isinstance(suite, HarnessSuite):
        keys = ("choices", "gold")
        rows = [{"text": p.turns[0]} | {key: p.meta[key] for key in keys} for p in prompts]
        name = f"{getattr(suite, 'collection', 'nli')}-{first.item}"
        return question_task(name, rows), list(range(len(rows)))
    assert root is not None, "a harness suite comes with its source"
    task = load_task(first.meta["task"], suite, root)
    numbers = [int(prompt.meta["number"]) for prompt in prompts]
    docs = task.eval_docs
    for prompt, number in zip(prompts, numbers, strict=True):
        same = number < len(docs) and task.doc_to_choice(docs[number]) == prompt.meta["choices"]
        if not same:
            what = "the source's question is not the prompt's"
            fix = "make the prompts again: remove results/STUDY/prompts"
            raise StudyError(what, where=f"{prompt.suite}: {prompt.id}", fix=fix)
    return task, numbers


def _marked(prompt: Prompt, row: dict[str, Any], lost: dict[tuple[str, str], int]) -> MarkedAnswer:
    choices = prompt.meta["choices"]
    # Behind the choices' likelihoods the harness may append those without a question.
    likelihoods = [float(answer[0]) for answer in row["filtered_resps"]][: len(choices)]
    best = max(range(len(likelihoods)), key=likelihoods.__getitem__)
    marks = {name: row[name] for name in row["metrics"]}
    metrics = {name: float(v) for name, v in marks.items() if isinstance(v, int | float)}
    cut = max(lost.get(tuple(texts), 0) for texts in row["arguments"])
    return MarkedAnswer(prompt.id, choices[best], likelihoods, metrics, cut)
